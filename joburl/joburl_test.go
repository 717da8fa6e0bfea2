package joburl_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
)

const (
	base = "https://partner.example/callbacks"
	job  = "kenya:production:4711:2"
)

func secret(letter string) []byte { return []byte(strings.Repeat(letter, 32)) }

func newURLs(t testing.TB, base string, secret []byte, older ...[]byte) *joburl.URLs {
	urls, err := joburl.New(base, secret, older...)
	require.NoError(t, err)
	return urls
}

func lastSegment(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// showJob answers with the job, so that an empty answer is none.
var showJob = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	job, _ := joburl.FromContext(r.Context())
	io.WriteString(w, job)
})

// get asks a handler for a request target, read as net/http reads it, and
// returns the answer: 404, or the job.
func get(handler http.Handler, target string) string {
	request, err := http.ReadRequest(bufio.NewReader(strings.NewReader("POST " + target + " HTTP/1.1\r\nHost: partner.example\r\n\r\n")))
	if err != nil {
		return "404" // net/http itself refuses it
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, request)
	if w.Code != http.StatusOK {
		return fmt.Sprint(w.Code)
	}
	return w.Body.String()
}

// The vector of the package documentation was confirmed with OpenSSL and Python.
func TestPublishedVector(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	published := make(map[string]string)
	for _, line := range regexp.MustCompile(`(?m)^//\t(\w+) +?= "(.+)"$`).FindAllStringSubmatch(string(doc), -1) {
		published[line[1]] = line[2]
	}
	urls := newURLs(t, published["base"], []byte(published["secret"]))
	assert.Equal(t, published["base"]+"/"+published["segment"], urls.For(published["job"]))
	got, ok := urls.Job(published["segment"])
	assert.True(t, ok)
	assert.Equal(t, "kenya:production:4711:2", got)
}

func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		base   string
		faults []string
	}{
		"empty":            {"", []string{"no absolute"}},
		"no scheme":        {"partner.example/callbacks", []string{"no absolute"}},
		"a path":           {"/callbacks", []string{"no absolute"}},
		"no host":          {"https:///callbacks", []string{"no absolute"}},
		"a port only":      {"https://:443/callbacks", []string{"no absolute"}},
		"opaque":           {"https:partner.example", []string{"no absolute"}},
		"another scheme":   {"ftp://partner.example", []string{"no absolute"}},
		"not a URL":        {"https://partner.example/%", []string{"no URL"}},
		"a password":       {"https://user:hunter2@partner.example", []string{"has a user"}},
		"a bad password":   {"https://user:hunter2%@partner.example", []string{"no URL"}},
		"a query":          {base + "?a=1", []string{"has a query"}},
		"an empty query":   {base + "?", []string{"has a query"}},
		"a fragment":       {base + "#a", []string{"has a fragment"}},
		"an empty one":     {base + "#", []string{"has a fragment"}},
		"a doubled slash":  {"https://partner.example//callbacks", []string{"empty segment"}},
		"two at the end":   {base + "//", []string{"empty segment"}},
		"nothing but two":  {"https://partner.example//", []string{"empty segment"}},
		"a dot":            {base + "/./a", []string{"empty segment, . or .."}},
		"two dots":         {base + "/..", []string{"empty segment, . or .."}},
		"two encoded dots": {base + "/%2e%2E/a", []string{"empty segment, . or .."}},
		"everything":       {"ftp://user:hunter2@partner.example//?a#b", []string{"no absolute", "a user", "a query", "a fragment", "empty segment"}},
	} {
		_, err := joburl.New(test.base, secret("s")[1:], secret("o"), []byte("hunter2"), nil)
		require.Error(t, err, name)
		for _, fault := range append(test.faults, "the secret has 31 bytes", "older[1] has 7 bytes", "older[2] has 0 bytes") {
			assert.ErrorContains(t, err, fault, name)
		}
		assert.Len(t, strings.Split(err.Error(), "\n"), len(test.faults)+3, name)
		assert.NotContains(t, err.Error(), "hunter2", name)
	}
}

func TestSecretsWithWhiteSpaceAtTheirEnds(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("schlüssel-", 4)
	binary := strings.Repeat("\x00\xff", 16)
	for secret, isRefused := range map[string]bool{
		text:                      false,
		text + "\n":               true,
		text + "\r\n":             true,
		" " + text:                true,
		text + "\u00a0":           true,
		text + "\n" + text + "\n": true, // as openssl wraps a long one
		text + " " + text:         false,
		text + "\n" + text:        false,
		strings.Repeat(" ", 32):   true,
		binary + "\n":             false,
		"\t" + binary:             false,
		text + "\xff\n":           false,
		text + "\x00\n":           false,
	} {
		_, err := joburl.New(base, []byte(secret))
		_, errOlder := joburl.New(base, []byte(text), []byte(secret))
		if !isRefused {
			assert.NoError(t, err, "%q", secret)
			assert.NoError(t, errOlder, "%q", secret)
			continue
		}
		assert.EqualError(t, err, "joburl: the secret is text that starts or ends in white space", "%q", secret)
		assert.EqualError(t, errOlder, "joburl: older[0] is text that starts or ends in white space", "%q", secret)
	}
}

func TestBases(t *testing.T) {
	t.Parallel()
	segment := lastSegment(newURLs(t, base, secret("s")).For(job))
	for base, want := range map[string]string{
		"https://partner.example":               "https://partner.example/",
		"https://partner.example/":              "https://partner.example/",
		"https://partner.example/callbacks":     "https://partner.example/callbacks/",
		"https://partner.example/callbacks/":    "https://partner.example/callbacks/",
		"http://127.0.0.1:8080/a/b":             "http://127.0.0.1:8080/a/b/",
		"http://[::1]/a":                        "http://[::1]/a/",
		"https://partner.example/rückruf":       "https://partner.example/r%C3%BCckruf/",
		"https://partner.example/r%C3%BCckruf/": "https://partner.example/r%C3%BCckruf/",
		"https://partner.example/a%2Fb/%7Ec":    "https://partner.example/a%2Fb/%7Ec/",
		"https://partner.example/{d}":           "https://partner.example/%7Bd%7D/",
	} {
		urls := newURLs(t, base, secret("s"))
		require.Equal(t, want+segment, urls.For(job))
		u, err := url.Parse(urls.For(job))
		require.NoError(t, err)
		assert.Equal(t, job, get(urls.Handler(showJob), u.RequestURI()), base)
	}
}

func TestForPanicsOnNoJob(t *testing.T) {
	t.Parallel()
	assert.Panics(t, func() { newURLs(t, base, secret("s")).For("") })
	assert.Panics(t, func() { new(joburl.URLs).For(job) })
}

func TestZeroValueKnowsNoJob(t *testing.T) {
	t.Parallel()
	path := "/callbacks/" + lastSegment(newURLs(t, base, secret("s")).For(job))
	assert.Equal(t, "404", get(new(joburl.URLs).Handler(showJob), path))
}

func TestSecretsAreCopied(t *testing.T) {
	t.Parallel()
	mine, older := secret("s"), secret("o")
	urls := newURLs(t, base, mine, older)
	want, wantOlder := urls.For(job), lastSegment(newURLs(t, base, older).For(job))
	clear(mine)
	clear(older)
	assert.Equal(t, want, urls.For(job))
	_, ok := urls.Job(wantOlder)
	assert.True(t, ok)
}

func TestPrintingShowsNoSecret(t *testing.T) {
	t.Parallel()
	mine := []byte("correct horse battery staple 3141")
	urls := newURLs(t, base, mine, mine)
	heard := newURLs(t, base, mine)
	heard.OnReject = func(*http.Request, error) { clear(mine) } // has the secret, too
	hidden := struct{ urls *joburl.URLs }{urls}
	var printed strings.Builder
	for _, value := range []any{urls, *urls, hidden, &hidden, []any{urls}, heard, *heard, []any{heard}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%t", "%c", "%U", "%b", "%o", "%e", "%T", "%w"} {
			fmt.Fprintf(&printed, verb+"\n", value)
		}
		slog.New(slog.NewTextHandler(&printed, nil)).Info("", "urls", value)
		slog.New(slog.NewJSONHandler(&printed, nil)).Info("", "urls", value)
		require.NoError(t, json.NewEncoder(&printed).Encode(value))
	}
	assert.Contains(t, printed.String(), base)
	for _, form := range []string{"%s", "%x", "%X", "%d", "%#v"} {
		text := fmt.Sprintf(form, mine)
		if form == "%d" || form == "%#v" {
			text = strings.Trim(text, "[]byte{}")
		}
		assert.NotContains(t, printed.String(), text)
	}
	assert.NotContains(t, printed.String(), base64.StdEncoding.EncodeToString(mine))
}

// changes returns every target that differs from path in one place: a character
// exchanged, left out, put in, doubled, or percent-encoded.
func changes(path string) []string {
	var changed []string
	for i := 1; i < len(path); i++ {
		for c := byte(1); c != 0; c++ {
			if c != path[i] {
				changed = append(changed, path[:i]+string(c)+path[i+1:])
			}
			changed = append(changed, path[:i]+string(c)+path[i:])
		}
		changed = append(changed, path[:i]+path[i+1:], fmt.Sprintf("%s%%%02X%s", path[:i], path[i], path[i+1:]))
	}
	return changed
}

func TestEveryCharacterCounts(t *testing.T) {
	t.Parallel()
	urls := newURLs(t, base, secret("s"))
	handler := urls.Handler(showJob)
	path := strings.TrimPrefix(urls.For(job), "https://partner.example")
	require.Equal(t, job, get(handler, path))
	for _, changed := range changes(path) {
		require.Equal(t, "404", get(handler, changed), "%q", changed)
	}
}

func TestOtherURLs(t *testing.T) {
	t.Parallel()
	urls := newURLs(t, base, secret("s"))
	var err error
	urls.OnReject = func(_ *http.Request, reason error) { err = reason }
	handler := urls.Handler(showJob)
	segment := lastSegment(urls.For(job))
	enc, mac := segment[:len(segment)-22], segment[len(segment)-22:]
	another := segmentOf(secret("s"), "another job")
	for name, test := range map[string]struct{ target, detail string }{
		"nothing":                    {"/", ""},
		"star":                       {"*", ""},
		"the base":                   {"/callbacks", ""},
		"the base and a slash":       {"/callbacks/", ""},
		"another base":               {"/callback/" + segment, "path in front"},
		"no base":                    {"/" + segment, "path in front"},
		"a longer base":              {"/callbacks/a/" + segment, "path in front"},
		"a base in front":            {"/a/callbacks/" + segment, "path in front"},
		"base in capitals":           {"/CALLBACKS/" + segment, "path in front"},
		"segment in capitals":        {"/callbacks/" + strings.ToUpper(segment), "form of one"},
		"segment in small letters":   {"/callbacks/" + strings.ToLower(segment), "form of one"},
		"a slash at the end":         {"/callbacks/" + segment + "/", "a slash"},
		"an encoded one":             {"/callbacks/" + segment + "%2F", "a slash"},
		"an encoded one in front":    {"/callbacks%2F" + segment, "percent-encoded"},
		"one more segment":           {"/callbacks/" + segment + "/a", ""},
		"two slashes":                {"/callbacks//" + segment, "a slash"},
		"two in front":               {"//callbacks/" + segment, "a slash"},
		"dots":                       {"/callbacks/../callbacks/" + segment, "a slash or a dot"},
		"a dot":                      {"/callbacks/./" + segment, "a slash or a dot"},
		"a line feed at the end":     {"/callbacks/" + segment + "%0A", ""},
		"a line feed in it":          {"/callbacks/" + enc + "%0A" + mac, ""},
		"carriage return, line feed": {"/callbacks/" + enc[:4] + "%0D%0A" + enc[4:] + mac, ""},
		"zero byte":                  {"/callbacks/" + segment + "%00", ""},
		"padding":                    {"/callbacks/" + segment + "=", ""},
		"padding between":            {"/callbacks/" + enc + "=" + mac, ""},
		"encoded unreserved":         {"/callbacks/%" + fmt.Sprintf("%x", segment[0]) + segment[1:], "percent-encoded"},
		"encoded in the base":        {"/c%61llbacks/" + segment, "percent-encoded"},
		"a query":                    {"/callbacks/" + segment + "?ResultCode=0810", "a query"},
		"an empty query":             {"/callbacks/" + segment + "?", "a query"},
		"a parameter":                {"/callbacks/" + segment + ";a=b", ""},
		"only the MAC":               {"/callbacks/" + mac, ""},
		"only the job":               {"/callbacks/" + enc, "form of one"},
		"the job itself":             {"/callbacks/" + job, ""},
		"the MAC of another":         {"/callbacks/" + enc + another[len(another)-22:], "form of one"},
		"a short MAC":                {"/callbacks/" + segment[:len(segment)-1], "form of one"},
		"the job twice":              {"/callbacks/" + enc + segment, "form of one"},
		"the segment twice":          {"/callbacks/" + segment + segment, "form of one"},
		"MAC first":                  {"/callbacks/" + mac + enc, "form of one"},
		"other secret":               {"/callbacks/" + segmentOf(secret("t"), job), "form of one"},
		"standard base64":            {"/callbacks/" + enc + "+/" + mac[2:], ""},
		"one character of a job":     {"/callbacks/a" + mac, "form of one"},
		"a long path":                {strings.Repeat("/a", 10_000) + "/" + segment, "path in front"},
		"behind a long path":         {"/callbacks/" + segment + strings.Repeat("/a", 10_000), ""},
	} {
		err = nil
		require.Equal(t, "404", get(handler, test.target), name)
		switch test.detail {
		case "":
			assert.Equal(t, joburl.ErrUnknown, err, name)
		case "form of one":
			assert.ErrorIs(t, err, joburl.ErrUnknown, name)
			assert.ErrorContains(t, err, test.detail, name)
		default:
			assert.ErrorIs(t, err, joburl.ErrChanged, name)
			assert.ErrorContains(t, err, test.detail, name)
		}
		assert.NotContains(t, fmt.Sprintf("%+v %#v", err, err), segment[:8], name)
	}
	assert.Equal(t, job, get(handler, "http://whoever.example/callbacks/"+segment), "a proxy's form of the target")
}

// So the owner of a callback that the Verifier refuses can read the job back.
func TestTheVerifiersLogHasTheJob(t *testing.T) {
	var log strings.Builder
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	signer, err := smilesig.NewSigner(smilesig.Credential{PartnerID: "085", APIKey: "a-made-up-key"})
	require.NoError(t, err)
	handler := (&smilesig.Verifier{Signer: signer}).Handler(showJob)
	urls := newURLs(t, base, secret("s"))
	assert.Panics(t, func() { urls.Handler(nil) })
	get(urls.Handler(handler), "/callbacks/"+segmentOf(secret("s"), job))
	assert.Contains(t, log.String(), "job="+job+"\n")
	log.Reset()
	get(handler, "/callbacks")
	assert.NotContains(t, log.String(), "job")
}

// Who reads the log must not get a URL that is good for a job.
func TestLogWithoutOnReject(t *testing.T) {
	var log strings.Builder
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	urls := newURLs(t, base, secret("s"))
	handler := urls.Handler(showJob)
	genuine, foreign := segmentOf(secret("s"), job), segmentOf(secret("t"), job)
	for target, want := range map[string][]string{
		"/callbacks/" + genuine:                nil,
		"/callbacks/" + genuine + "?token=abc": {"level=WARN", "status=404", joburl.ErrChanged.Error() + ": there is a query"},
		"/callbacks/" + foreign:                {"level=WARN", "status=404", joburl.ErrUnknown.Error() + ", but it has the form of one"},
		"/callback/" + foreign:                 {"level=DEBUG", "status=404", joburl.ErrUnknown.Error() + `"` + "\n"},
		"/callbacks/a/" + foreign:              {"level=DEBUG", joburl.ErrUnknown.Error()},
		"/callbacks/" + foreign[:22]:           {"level=DEBUG", joburl.ErrUnknown.Error()},
		"/callbacks/" + foreign + "!":          {"level=DEBUG", joburl.ErrUnknown.Error()},
		"/favicon.ico":                         {"level=DEBUG", joburl.ErrUnknown.Error()},
	} {
		log.Reset()
		get(handler, target)
		for _, text := range want {
			assert.Contains(t, log.String(), text, target)
		}
		assert.Equal(t, min(1, len(want)), strings.Count(log.String(), "\n"), target)
		for _, part := range []string{"callbacks", "token", genuine[:8], job, "favicon"} {
			assert.NotContains(t, log.String(), part, target)
		}
	}
	urls.OnReject = func(*http.Request, error) {}
	log.Reset()
	get(handler, "/callbacks/"+foreign)
	assert.Empty(t, log.String())
}

// segmentOf makes a segment as the package documentation publishes it.
func segmentOf(secret []byte, job string) string {
	return signed(secret, base64.RawURLEncoding.EncodeToString([]byte(job)))
}

func signed(secret []byte, enc string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("smilesig/joburl/v1\x00" + enc))
	return enc + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

func TestGenuineMACOverNoBase64(t *testing.T) {
	t.Parallel()
	urls := newURLs(t, base, secret("s"))
	for _, enc := range []string{"", "a", "a%", "YQ==", "a+/a"} {
		_, ok := urls.Job(signed(secret("s"), enc))
		assert.False(t, ok, enc)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	old, fresh := secret("o"), secret("n")
	stages := []*joburl.URLs{
		newURLs(t, base, old),
		newURLs(t, base, old, fresh),
		newURLs(t, base, fresh, old),
		newURLs(t, base, fresh),
	}
	for made, maker := range stages {
		for checked, checker := range stages {
			got, ok := checker.Job(lastSegment(maker.For(job)))
			areApart := min(made, checked) < 2 && max(made, checked) >= 2
			knowsBoth := checked == 1 || checked == 2
			assert.Equal(t, knowsBoth || !areApart, ok, "made at stage %d, checked at %d", made, checked)
			assert.Equal(t, ok, got == job)
		}
	}
}

func TestBehindOtherHandlers(t *testing.T) {
	t.Parallel()
	urls := newURLs(t, base, secret("s"))
	path := "/callbacks/" + lastSegment(urls.For(job))

	bySegment := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		job, ok := urls.Job(lastSegment(r.URL.Path))
		if !ok {
			http.NotFound(w, r)
			return
		}
		showJob(w, r.WithContext(joburl.NewContext(r.Context(), job)))
	})
	byPattern := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		job, _ := urls.Job(r.PathValue("job"))
		io.WriteString(w, job)
	})
	mux := http.NewServeMux()
	mux.Handle("POST /callbacks/", urls.Handler(showJob))
	patterns := http.NewServeMux()
	patterns.Handle("POST /callbacks/{job}", byPattern)

	for name, handler := range map[string]http.Handler{
		"ServeMux":                mux,
		"pattern":                 patterns,
		"StripPrefix":             http.StripPrefix("/callbacks", bySegment),
		"StripPrefix and pattern": http.StripPrefix("/callbacks", newMux("POST /{job}", byPattern)),
	} {
		assert.Equal(t, job, get(handler, path), name)
		assert.NotEqual(t, job, get(handler, path+"A"), name)
	}
	assert.Equal(t, "404", get(http.StripPrefix("/callbacks", urls.Handler(showJob)), path), "Handler wants the base path")

	// A proxy that rewrites /callbacks/… to /internal/v1/….
	inside := httptest.NewServer(newMux("POST /internal/v1/{job}", byPattern))
	t.Cleanup(inside.Close)
	to, err := url.Parse(inside.URL)
	require.NoError(t, err)
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.URL.Path = strings.Replace(r.Out.URL.Path, "/callbacks/", "/internal/v1/", 1)
	}})
	t.Cleanup(proxy.Close)
	response, err := http.Post(proxy.URL+path, "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, job, string(got))
}

func newMux(pattern string, handler http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle(pattern, handler)
	return mux
}

func TestNoJobWithoutHandler(t *testing.T) {
	t.Parallel()
	_, ok := joburl.FromContext(t.Context())
	assert.False(t, ok)
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("a", "b")
	f.Add(job, job+"\x00")
	f.Add("\x00", "\xff\xfe/../%2F")
	f.Add(strings.Repeat("long", 1000), "ключ")
	urls := newURLs(f, base, secret("s"))
	handler := urls.Handler(showJob)
	unreserved := regexp.MustCompile(`^https://partner\.example(/callbacks/[0-9A-Za-z_-]+)$`)
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == "" || b == "" {
			t.Skip("no job")
		}
		for _, job := range []string{a, b} {
			parts := unreserved.FindStringSubmatch(urls.For(job))
			require.NotNil(t, parts, urls.For(job))
			assert.Equal(t, segmentOf(secret("s"), job), lastSegment(parts[1]))
			got, ok := urls.Job(lastSegment(parts[1]))
			assert.True(t, ok)
			assert.Equal(t, job, got)
			assert.Equal(t, job, get(handler, parts[1]))
		}
		assert.Equal(t, a == b, urls.For(a) == urls.For(b), "two jobs never share a URL")
		_, ok := urls.Job(a)
		assert.False(t, ok, "nobody guesses")
	})
}

func BenchmarkJob(b *testing.B) {
	for name, older := range map[string][][]byte{"one secret": nil, "two secrets": {secret("o")}} {
		b.Run(name, func(b *testing.B) {
			urls := newURLs(b, base, secret("s"), older...)
			segment := lastSegment(urls.For(job))
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := urls.Job(segment); !ok {
					b.Fatal("not accepted")
				}
			}
		})
	}
}
