package smilesig_test

import (
	"bytes"
	"context"
	"encoding/json"
	"expvar"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
	"example.com/smilesig/readback"
	"example.com/smilesig/result"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

func ExampleSigner() {
	signer, err := smilesig.NewSigner(smilesig.Credential{PartnerID: "partner", APIKey: "apiKey"})
	if err != nil {
		fmt.Println(err)
		return
	}
	pair, err := signer.SignTimestamp("2023-02-13T15:07:42.214Z")
	fmt.Println(pair.Signature, err)
	fmt.Println(signer.Confirm(pair.Timestamp, pair.Signature))
	// Output:
	// XxThLHZy2ij1WINkqNEPgzVs9RvUDHWlebDYzprqS74= <nil>
	// true
}

func ExampleSigner_Inject() {
	signer, _ := smilesig.NewSigner(smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"})
	body, err := signer.Inject([]byte(`{"partner_id": "085", "amount": 1.0}`), time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC))
	fmt.Println(string(body), err)

	_, err = signer.Inject([]byte(`{"partner_id": "85"}`), time.Now())
	fmt.Println(err)
	// Output:
	// {"signature":"a2nc8nUCnmvjntUE613EjSpIWhy2un/a8LuTMk9u1c4=","timestamp":"2024-01-02T03:04:05.000Z","partner_id": "085", "amount": 1.0} <nil>
	// smilesig: another partner's body: the body says "85", the credential 085
}

func ExampleTransport() {
	ask := func(partnerID, apiKey string) error {
		signer, err := smilesig.NewSigner(smilesig.Credential{PartnerID: partnerID, APIKey: apiKey})
		if err != nil {
			return err
		}
		transport := &smilesig.Transport{
			Signer:           signer,
			Origins:          []string{"https://testapi.smileidentity.com"}, // the sandbox; production is https://api.smileidentity.com
			ConfirmResponses: true,
		}
		client := &http.Client{Transport: transport, Timeout: time.Minute}
		question, err := json.Marshal(map[string]any{
			"partner_id": signer.PartnerID(), "user_id": "user-1", "job_id": "job-1",
		})
		if err != nil {
			return err
		}
		res, err := client.Post("https://testapi.smileidentity.com/v1/job_status", "application/json", bytes.NewReader(question))
		if err != nil {
			return err
		}
		return res.Body.Close()
	}
	fmt.Println(ask(os.Getenv("SMILE_PARTNER_ID"), os.Getenv("SMILE_API_KEY")))
	// Output:
	// smilesig: current credential: the partner ID is empty
	// smilesig: current credential: the API key is empty
}

// A reverse proxy must send the Host of its target, not that of its caller. Let
// nobody reach it who must not act for you.
func ExampleTransport_reverseProxy() {
	smileID := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Println(r.URL.Path, bytes.Contains(body, []byte(`"signature"`)), err)
	}))
	defer smileID.Close()
	signer, _ := smilesig.NewSigner(smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"})
	target, _ := url.Parse(smileID.URL) // in production, https://api.smileidentity.com
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) }, // and the Host with it
		Transport: &smilesig.Transport{Signer: signer, Origins: []string{smileID.URL}},
	}
	response := httptest.NewRecorder()
	proxy.ServeHTTP(response, httptest.NewRequest("POST", "/v1/job_status", strings.NewReader("{}")))
	fmt.Println(response.Code)
	// Output:
	// /v1/job_status true <nil>
	// 200
}

// newServer takes the callbacks of each job at a URL of its own.
func newServer(signer *smilesig.Signer, urls *joburl.URLs, smileID *readback.Reader) *http.Server {
	takeResult := func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
		defer cancel()
		job, _ := joburl.FromContext(ctx) // verified: the URL of this job, and a fresh pair
		body, _ := io.ReadAll(r.Body)
		if said, err := result.Parse(body); err == nil && said.Provisional { // parsed: what the body says
			return // another result will come
		}
		known, err := smileID.JobStatus(ctx, "user-1", job) // read back: what Smile ID says
		if err != nil || known.Provisional {
			w.WriteHeader(http.StatusServiceUnavailable) // no decision yet: a worker reads back later
			return
		}
		fmt.Println(job, "is", known.Outcome)
	}
	verifier := &smilesig.Verifier{Signer: signer}
	handler := urls.Handler(verifier.Handler(http.HandlerFunc(takeResult)))
	return &http.Server{Addr: ":8080", Handler: handler, ReadTimeout: time.Minute}
}

func ExampleVerifier_Handler() {
	credential := smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
	smileID, err := standin.Start("127.0.0.1:0", credential)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer smileID.Close()
	signer, _ := smilesig.NewSigner(credential)
	listener := httptest.NewUnstartedServer(nil)
	urls, err := joburl.New("http://"+listener.Listener.Addr().String()+"/callbacks", []byte("a made-up secret of 32 characters"))
	if err != nil {
		fmt.Println(err) // for example: the secret is too short
		return
	}
	listener.Config = newServer(signer, urls, &readback.Reader{Signer: signer, Origin: smileID.URL})
	listener.Start()
	defer listener.Close()

	client := &http.Client{Transport: &smilesig.Transport{Signer: signer, Origins: []string{smileID.URL}}}
	res, err := client.Post(smileID.URL+"/v1/async_id_verification", "application/json", strings.NewReader(fmt.Sprintf(
		`{"partner_id":"085","callback_url":%q,"partner_params":{"job_type":5,"user_id":"user-1","job_id":"kenya-4711-1"}}`, urls.For("kenya-4711-1"))))
	if err != nil {
		fmt.Println(err)
		return
	}
	res.Body.Close()
	smileID.Wait() // the callback was delivered
	// Output:
	// kenya-4711-1 is approved
}

// statusOf decides about a callback without an http.Request. target is the path
// and query that it came to.
func statusOf(ctx context.Context, verifier *smilesig.Verifier, target string, header http.Header, body []byte) int {
	if _, err := verifier.Verify(ctx, target, header, body); err != nil {
		return smilesig.StatusCode(err)
	}
	return http.StatusOK
}

func ExampleVerifier_Verify() {
	signer, _ := smilesig.NewSigner(smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"})
	verifier := &smilesig.Verifier{Signer: signer}
	pair, body := signer.Sign(time.Now()), []byte(`{"status":"clear"}`)
	header := http.Header{"response-signature": {pair.Signature}, "response-timestamp": {pair.Timestamp}}
	fmt.Println(statusOf(context.Background(), verifier, "/callbacks", header, body))
	fmt.Println(statusOf(context.Background(), verifier, "/callbacks", nil, body))
	// Output:
	// 200
	// 401
}

// Keep what was refused but may be genuine, for a person to look at: only what was
// confirmed, and a bounded number, or strangers fill the disk.
func ExampleVerifier_onReject() {
	refused := new(expvar.Map)
	keep := func(job string, h http.Header, body []byte) error { return nil } // in a table of yours, if that has room
	verifier := &smilesig.Verifier{
		OnReject: func(r *http.Request, err error) (status int) {
			job, _ := joburl.FromContext(r.Context())
			slog.WarnContext(r.Context(), "callback refused", "job", job, "error", err)
			refused.Add(smilesig.Reason(err), 1)
			switch smilesig.Reason(err) {
			case "stale", "future", "replayed", "guard": // the pair was confirmed
				if body, err := io.ReadAll(r.Body); err == nil && keep(job, r.Header, body) == nil {
					return http.StatusAccepted // it need not be sent again
				}
			}
			return 0
		},
	}
	_ = verifier
}

var callbacks = expvar.NewMap("callbacks")

// counted counts accepted and refused callbacks, and logs the refused ones.
func counted(verifier *smilesig.Verifier, urls *joburl.URLs, next http.Handler) http.Handler {
	refuse := func(r *http.Request, reason string, err error) {
		callbacks.Add(reason, 1)
		job, _ := joburl.FromContext(r.Context()) // the one to read back
		slog.Warn("callback refused", "job", job, "reason", reason, "error", err)
	}
	verifier.OnReject = func(r *http.Request, err error) (status int) {
		refuse(r, smilesig.Reason(err), err)
		return 0
	}
	urls.OnReject = func(r *http.Request, err error) {
		if err != joburl.ErrUnknown { // a plain one is a stranger's
			refuse(r, "lost_url", err)
		}
	}
	return urls.Handler(verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		callbacks.Add("accepted", 1)
		next.ServeHTTP(w, r)
	})))
}

func TestCountedCallbacks(t *testing.T) {
	v := newVerifier(t)
	urls, err := joburl.New("https://partner.example/callbacks", []byte("a made-up secret of 32 characters"))
	require.NoError(t, err)
	handler := counted(v, urls, new(spyHandler))
	for _, target := range []string{urls.For("1"), urls.For("1") + "?a", "/callbacks/guessed"} {
		for _, body := range []string{signedBody(t, ""), "{}"} {
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", target, strings.NewReader(body)))
		}
	}
	assert.JSONEq(t, `{"accepted":1,"lost_url":2,"missing":1}`, callbacks.String())
}

// capture writes a refused callback to files, for "smilesig verify".
func capture(r *http.Request, err error) (status int) {
	var headers, body bytes.Buffer
	r.Header.Write(&headers)
	body.ReadFrom(r.Body)
	os.WriteFile("headers.txt", headers.Bytes(), 0o600)
	os.WriteFile("body.json", body.Bytes(), 0o600)
	return 0
}

func TestCapture(t *testing.T) {
	t.Chdir(t.TempDir())
	v := newVerifier(t)
	v.OnReject = capture
	deliver(v.Handler(new(spyHandler)), strings.NewReader("made up"), func(r *http.Request) { r.Header.Set("Job-ID", "made-up") })
	headers, err := os.ReadFile("headers.txt")
	require.NoError(t, err)
	assert.Equal(t, "Job-Id: made-up\r\n", string(headers))
	body, err := os.ReadFile("body.json")
	require.NoError(t, err)
	assert.Equal(t, "made up", string(body))
}

// A test of a handler, as you can write it for yours.
func TestHandlerOfYours(t *testing.T) {
	credential := smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
	signer, err := smilesig.NewSigner(credential)
	if err != nil {
		t.Fatal(err)
	}
	verifier := &smilesig.Verifier{Signer: signer, Guard: new(smilesig.MemoryGuard), OnReject: quiet}
	handler := verifier.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))

	cb := smilesigtest.NewCallback(credential, []byte(`{"ResultCode":"1012"}`))
	for _, tt := range []struct {
		sent smilesigtest.Callback
		want int
	}{
		{cb, 200},
		{cb, 200}, // delivered again
		{cb.WithBody([]byte(`{"ResultCode":"1210"}`)), 503},
		{cb.Stale(), 401},
		{cb.Forged(), 401},
	} {
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, tt.sent.Request("/callbacks"))
		if response.Code != tt.want {
			t.Errorf("%v: got %d, want %d", tt.sent, response.Code, tt.want)
		}
	}
}

// Every Go snippet of the documentation stands, line for line, in a file that is
// compiled, and every test that it names is there.
func TestDocumentsKeepToTheCode(t *testing.T) {
	documents, err := filepath.Glob("*.md")
	require.NoError(t, err)
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	var snippets, tests [][]string
	for _, document := range append(documents, pages...) {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		snippets = append(snippets, regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)...)
		tests = append(tests, regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(text), -1)...)
	}
	require.NotEmpty(t, snippets)
	require.NotEmpty(t, tests)

	var compiled []string
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		source, err := os.ReadFile(path)
		compiled = append(compiled, withoutIndentation(string(source)))
		return err
	}))
	for _, snippet := range snippets {
		code := withoutIndentation(snippet[1])
		found := false
		for _, source := range compiled {
			found = found || strings.Contains(source, code)
		}
		assert.True(t, found, "not in any Go file:\n%s", snippet[1])
	}
	all := strings.Join(compiled, "\n")
	for _, name := range tests {
		assert.True(t, strings.Contains(all, "func "+name[1]+"("), "no such test: %s", name[1])
	}
}

func withoutIndentation(code string) string {
	lines := strings.Split(strings.TrimSpace(code), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}
