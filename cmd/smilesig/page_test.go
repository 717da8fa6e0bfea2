package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

// A browser is what a test knows of a page.
type browser struct {
	t         *testing.T
	url       string
	partner   *receiver
	server    *standin.Server
	formToken string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	p := newPage(t.Context(), ours.PartnerID, []string{"smile-id"})
	server := standin.New(t, ours, func(s *standin.Server) {
		s.Keep, s.Outcomes, s.CallbackURL = kept, smilesigtest.Always(), "http://127.0.0.1:1"
		s.Events = func(standin.Event) { p.notify() }
	})
	url, err := p.listen("127.0.0.1:0", server)
	require.NoError(t, err)
	b := &browser{t: t, url: url, server: server, partner: newReceiver(t)}
	b.formToken = regexp.MustCompile(`name="token" value="(\w+)"`).FindStringSubmatch(b.withJob())[1]
	return b
}

func (b *browser) withJob() string {
	post(b.t, b.server.URL, "/v1/async_id_verification",
		`{"partner_id":"085","callback_url":"`+b.partner.URL+`","partner_params":{"user_id":"user-1","job_id":"<job-1>","job_type":1}}`, ours)
	return b.show()
}

func (b *browser) do(req *http.Request, err error) (status int, body string) {
	b.t.Helper()
	require.NoError(b.t, err)
	response, err := http.DefaultClient.Do(req)
	require.NoError(b.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(b.t, err)
	return response.StatusCode, string(text)
}

func (b *browser) show() string {
	b.t.Helper()
	status, body := b.do(http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url, nil))
	require.Equal(b.t, http.StatusOK, status)
	return body
}

// press posts a form, and waits for what it starts.
func (b *browser) press(path string, header ...string) (status int) {
	b.t.Helper()
	form := strings.NewReader(url.Values{"token": {b.formToken}}.Encode())
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, form)
	require.NoError(b.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", b.url)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	status, _ = b.do(req, nil)
	b.server.Wait()
	return status
}

func TestThePageDecidesAndSends(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	id := b.server.Jobs()[0].ID
	assert.Contains(t, b.show(), "undecided")
	assert.Contains(t, b.show(), "&lt;job-1&gt;", "what a client wrote is no HTML")
	assert.Equal(t, http.StatusOK, b.press("/jobs/"+id+"/provisional"))
	assert.Equal(t, http.StatusOK, b.press("/jobs/"+id+"/declined"))
	assert.Len(t, b.partner.bodies, 2)
	assert.Contains(t, b.show(), "0811 Failed Enroll")
	assert.Contains(t, b.show(), "200 OK")
	assert.Contains(t, b.show(), "the signature matches")
}

func TestThePageShowsNoSecret(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.server.URL+"/v2/smart-selfie-enroll", nil)
	require.NoError(t, err)
	pair := newSigner(t, ours).Sign(someTime)
	req.Header.Set("SmileID-Request-Signature", pair.Signature)
	req.Header.Set("SmileID-API-Key", ours.APIKey)
	req.Header.Set("SmileID-Token", "a-token")
	b.do(req, nil)
	b.press("/jobs/" + b.server.Jobs()[0].ID + "/approved")
	html := b.show()
	assert.Contains(t, html, "/v2/smart-selfie-enroll")
	for _, secret := range []string{ours.APIKey, pair.Signature, "a-token"} {
		assert.NotContains(t, html, secret)
	}
	b.partner.mu.Lock()
	defer b.partner.mu.Unlock()
	for _, body := range b.partner.bodies {
		assert.Contains(t, body, `"signature"`)
		assert.NotContains(t, html, body[:60])
	}
}

func TestThePageIsForItsOwnFormsOnly(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	path := "/jobs/" + b.server.Jobs()[0].ID + "/approved"
	assert.Equal(t, http.StatusForbidden, b.press(path, "Origin", "http://evil.example"))
	assert.Equal(t, http.StatusForbidden, b.press(path, "Sec-Fetch-Site", "cross-site"))
	token := b.formToken
	b.formToken = ""
	assert.Equal(t, http.StatusForbidden, b.press(path))
	b.formToken = token
	for _, unknown := range []string{"/jobs/1/approved", path + "x", "/callbacks/1/again", "/nothing"} {
		assert.Equal(t, http.StatusNotFound, b.press(unknown), unknown)
	}
	assert.Empty(t, b.partner.bodies)
	assert.Equal(t, http.StatusOK, b.press(path))
	assert.Equal(t, http.StatusNotFound, b.press("/callbacks/1/backwards"))

	for host, want := range map[string]int{"evil.example": 421, "127.0.0.1.evil.example:80": 421, "smile-id": 200, "localhost:1": 200} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url, nil)
		require.NoError(t, err)
		req.Host = host
		status, _ := b.do(req, nil)
		assert.Equal(t, want, status, host)
	}
	response, err := http.Get(b.url)
	require.NoError(t, err)
	response.Body.Close()
	assert.Contains(t, response.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
}

func TestThePageSaysWhyThereIsNoAnswer(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	b.server.Deliver(t.Context(), gone.URL, smilesigtest.NewCallback(ours, []byte(`{}`)))
	assert.Contains(t, b.show(), "connection refused")
}

func TestAPageIsToldOfWhatIsNew(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	version := regexp.MustCompile(`version=(\d+)`).FindStringSubmatch(b.show())[1]
	told := make(chan string)
	go func() {
		_, body := b.do(http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/events?version="+version, nil))
		told <- body
	}()
	b.press("/jobs/" + b.server.Jobs()[0].ID + "/approved")
	assert.Equal(t, "data: changed\n\n", <-told)
	_, body := b.do(http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/events?version="+version, nil))
	assert.Equal(t, "data: changed\n\n", body, "what happened meanwhile")
}

func TestAnotherResultIsOneOfTheProduct(t *testing.T) {
	t.Parallel()
	for _, placement := range []smilesig.Placement{smilesig.InBody, smilesig.InHeader} {
		for _, product := range smilesigtest.Products(placement) {
			j := smilesigtest.Job{ID: "1", Product: product, Placement: placement}
			says := func(o smilesigtest.Outcome) string { return said(j.Body(o)) }
			approved, declined := says(smilesigtest.Approved), says(smilesigtest.Declined)
			assert.NotEqual(t, approved, declined, product)
			assert.Equal(t, declined, said(another(j, j.Body(smilesigtest.Approved))), product)
			assert.Equal(t, approved, said(another(j, j.Body(smilesigtest.Declined))), product)
			assert.Equal(t, approved, said(another(j, []byte("[]"))), product)
		}
	}
}

func TestThePageSwapsTheResultOfTheJob(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	post(t, b.server.URL, "/v2/verify_async", `{"partner_id":"085","callback_url":"`+b.partner.URL+`"}`, ours)
	id := b.server.Jobs()[1].ID
	press := func(path string) {
		t.Helper()
		assert.Equal(t, http.StatusOK, b.press(path))
		b.server.Wait() // until its callback has been delivered
	}
	press("/jobs/" + id + "/approved")
	press("/callbacks/1/swapped")
	press("/callbacks/2/swapped")
	b.server.Deliver(t.Context(), b.partner.URL, smilesigtest.NewCallback(ours, []byte(`{"SmileJobID":"1"}`)))
	press("/callbacks/4/swapped") // of a job that is not kept
	var bodies []string
	for _, d := range b.server.Deliveries() {
		bodies = append(bodies, string(d.Callback.Body))
	}
	require.Len(t, bodies, 5)
	assert.Contains(t, bodies[1], `"1022"`, "the refusal of basic KYC")
	assert.Contains(t, bodies[1], `"SmileJobID":"`+id+`"`)
	assert.Contains(t, bodies[2], `"1020"`)
	assert.NotEqual(t, bodies[3], bodies[4])
}

// JSON of any depth makes a page of ordinary size, in linear time.
func TestAPageOfDeepJSONIsSmall(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	ordinary := len(b.show())
	deep := strings.Repeat("[", 9990) + strings.Repeat("]", 9990)
	for i := range 5 {
		assert.Equal(t, 200, post(t, b.server.URL, "/v1/async_id_verification", fmt.Sprintf(
			`{"partner_id":"085","callback_url":%q,"partner_params":{"user_id":"user-%d","job_id":"job-1","job_type":1,"deep":%s}}`, b.partner.URL, i, deep), ours))
	}
	for _, j := range b.server.Jobs() {
		require.NoError(t, b.server.Conclude(j.ID, smilesigtest.Approved))
	}
	b.server.Wait()
	assert.Less(t, len(b.show()), ordinary+5*20_000)

	assert.Equal(t, "{\n  \"a\": 1\n}", shown([]byte(`{"a":1}`)))
	assert.Len(t, shown([]byte(strings.Repeat("x", 100_000))), 8<<10+len(" …"))
	wide := "[" + strings.Repeat("1,", 2000) + "1]"
	assert.LessOrEqual(t, len(shown([]byte(wide))), 8<<10+len(" …"))
}

func TestOnlyABiometricJobHasAHalf(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	assert.Equal(t, 1, strings.Count(b.show(), "ID half only"))
	post(t, b.server.URL, "/v2/verify_async", `{"partner_id":"085"}`, ours)
	postV3(t, b.server.URL, "/v3/biometric_kyc")
	require.Len(t, b.server.Jobs(), 3)
	assert.Equal(t, 1, strings.Count(b.show(), "ID half only"), "v3 has none")
	assert.Equal(t, http.StatusOK, b.press("/jobs/"+b.server.Jobs()[0].ID+"/id-validated"))
	assert.Contains(t, b.show(), "1012 ID Number Validated")
}
