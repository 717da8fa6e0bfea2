package standin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	for _, test := range []struct {
		method, path, name, value string
		want                      int
		allow                     string
	}{
		{"GET", "/", "", "", 404, ""},
		{"GET", "/v9/nope", "", "", 404, ""},
		{"GET", "/v1/anything", "", "", 404, ""},
		{"POST", "/v1/id_verificaton", "", "", 404, ""},
		{"POST", "/v1/id_verification/more", "", "", 404, ""},
		{"POST", "/v3/nope", "", "", 404, ""},
		{"GET", "/v1/id_verification", "", "", 405, "POST"},
		{"PUT", "/v1/token", "", "", 405, "POST"},
		{"POST", "/v1/services", "", "", 405, "GET"},
		{"DELETE", "/v3/status/job_1", "", "", 405, "GET"},
		{"OPTIONS", "/v3/token", "", "", 405, "POST"},
		{"HEAD", "/v1/services", "", "", 200, ""},
		{"POST", "/v1/token", "Content-Encoding", "gzip", 415, ""},
		{"POST", "/v1/token", "Origin", "http://127.0.0.1:8086", 403, ""},
		{"OPTIONS", "/v1/token", "Origin", "null", 403, ""},
		{"GET", "/v1/services", "Host", "evil.example", 421, ""},
		{"GET", "/v1/services", "Host", "127.0.0.1.evil.example:80", 421, ""},
		{"GET", "/v1/services", "Host", "localhost:1", 200, ""},
		{"GET", "/v1/services", "Host", "[::1]:1", 200, ""},
		{"GET", "/v1/services", "Host", "[::1]", 200, ""},
	} {
		req := newRequest(t, test.method, s.URL+test.path, "", "")
		if test.name == "Host" {
			req.Host = test.value
		} else if test.name != "" {
			req.Header.Set(test.name, test.value)
		}
		response, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		response.Body.Close()
		assert.Equal(t, test.want, response.StatusCode, "%+v", test)
		assert.Equal(t, test.allow, response.Header.Get("Allow"), "%+v", test)
		assert.Equal(t, test.want, last(t, s).Status)
	}
}

func TestTheUploadOriginIsGuardedToo(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	uploadURL := prepareUpload(t, s, newClient(t, s.URL), "1", "")
	for name, want := range map[string]int{"Origin": http.StatusForbidden, "Content-Encoding": http.StatusUnsupportedMediaType} {
		req := newRequest(t, http.MethodPut, uploadURL, "application/zip", "PK")
		req.Header.Set(name, "gzip")
		assert.Equal(t, want, do(t, http.DefaultClient, req).status)
	}
	req := newRequest(t, http.MethodPut, uploadURL, "application/zip", "PK")
	req.Host = "evil.example"
	assert.Equal(t, http.StatusMisdirectedRequest, do(t, http.DefaultClient, req).status)
}

func TestFurtherHosts(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential, func(s *standin.Server) { s.Hosts = []string{"smile-id"} })
	for host, want := range map[string]int{"smile-id:8085": 200, "SMILE-ID": 200, "other": 421} {
		req := newRequest(t, http.MethodGet, s.URL+"/v1/services", "", "")
		req.Host = host
		assert.Equal(t, want, do(t, http.DefaultClient, req).status, host)
	}
}

func TestABodyThatIsTooLarge(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	unread := httptest.NewRequest(http.MethodPost, s.URL+"/v1/token", strings.NewReader("{"))
	unread.ContentLength = 65 << 20
	response := httptest.NewRecorder()
	s.ServeHTTP(response, unread)
	assert.Equal(t, http.StatusRequestEntityTooLarge, response.Code)

	limited := standin.New(t, credential, func(s *standin.Server) { standin.LimitBodies(s, 1000) })
	for _, size := range []int{1000, 1001} {
		chunked := newRequest(t, http.MethodPost, limited.URL+"/v1/token", "application/json", strings.Repeat(" ", size))
		chunked.ContentLength = -1
		want := map[int]int{1000: http.StatusBadRequest, 1001: http.StatusRequestEntityTooLarge}[size]
		assert.Equal(t, want, do(t, http.DefaultClient, chunked).status)
	}

	for _, member := range []string{`"partner_params":{"note":"%s"}`, `"callback_url":"http://localhost/%s"`} {
		large := fmt.Sprintf(`{"smile_client_id":"085",`+member+`}`, strings.Repeat("x", 70_000))
		assert.Equal(t, http.StatusBadRequest, postJSON(t, newClient(t, s.URL), s.URL+"/v1/upload", large).status)
		assert.Contains(t, last(t, s).Verdict, "larger than the stand-in keeps")
	}
	assert.Empty(t, s.Jobs())
}

func TestTheAgeOfARequest(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	s.Now = standingStill
	ask := func(age time.Duration) (inBody, inHeader string) {
		pair := newSigner(t).Sign(standingStill().Add(-age))
		postJSON(t, http.DefaultClient, s.URL+"/v1/job_status",
			fmt.Sprintf(`{"partner_id":"085","timestamp":%q,"signature":%q}`, pair.Timestamp, pair.Signature))
		inBody = last(t, s).Verdict
		req := newRequest(t, http.MethodPost, s.URL+"/v2/smart-selfie-enroll", "", "")
		req.Header.Set("SmileID-Partner-ID", "085")
		req.Header.Set("SmileID-Timestamp", pair.Timestamp)
		req.Header.Set("SmileID-Request-Signature", pair.Signature)
		do(t, http.DefaultClient, req)
		return inBody, last(t, s).Verdict
	}
	for _, test := range []struct {
		age     time.Duration
		remark  string
		isStale bool
	}{
		{0, "", false},
		{15 * time.Minute, "", false},
		{-time.Minute, "", false},
		{15*time.Minute + time.Millisecond, "the timestamp is 15m0.001s old: is it local time?", true},
		{-3 * time.Hour, "the timestamp is 3h0m0s ahead: is it local time?", true},
	} {
		s.RefuseStale = false
		want := "accepted"
		if test.isStale {
			want += "; " + test.remark
		}
		inBody, inHeader := ask(test.age)
		assert.Equal(t, want, inBody)
		assert.Equal(t, want, inHeader)

		s.RefuseStale = true
		if test.isStale {
			want = "2205: " + test.remark
		}
		inBody, inHeader = ask(test.age)
		assert.Equal(t, want, inBody)
		assert.Equal(t, want, inHeader)
	}
}

func TestCallbacksGoToThisMachineOnly(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	for callback, want := range map[string]string{
		"":                                "accepted",
		"http://LOCALHOST:1/":             "accepted",
		"http://127.1.2.3:1/":             "accepted",
		"http://[::1]:1/":                 "accepted",
		"https://partner.example/":        "accepted; no callback is sent to another machine: CallbackHosts does not have the host of callback_url",
		"http://169.254.169.254/":         "accepted; no callback is sent to another machine: CallbackHosts does not have the host of callback_url",
		"http://127.0.0.1@evil.example/":  "accepted; no callback is sent to another machine: CallbackHosts does not have the host of callback_url",
		"http://localhost.evil.example:1": "accepted; no callback is sent to another machine: CallbackHosts does not have the host of callback_url",
	} {
		prepareUpload(t, s, newClient(t, s.URL), "1", callback)
		assert.Equal(t, want, last(t, s).Verdict, callback)
		jobs := s.Jobs()
		assert.Equal(t, want == "accepted", jobs[len(jobs)-1].CallbackURL == callback, callback)
	}
	s.CallbackHosts = []string{"partner.example"}
	prepareUpload(t, s, newClient(t, s.URL), "1", "https://Partner.example/callbacks")
	assert.Equal(t, "accepted", last(t, s).Verdict)
}

func TestStepsOfAVerdict(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	postJSON(t, newClient(t, s.URL), s.URL+"/v1/token", fromPartner)
	assert.Equal(t, []string{
		"the body is a JSON object with partner_id, timestamp and signature", "the partner ID is ours",
		"the signature matches", "the timestamp is recent",
	}, last(t, s).Steps)
	another := newSigner(t).Sign(time.Now())
	postJSON(t, http.DefaultClient, s.URL+"/v1/token", fmt.Sprintf(`{"partner_id":"085","timestamp":%q,"signature":"x"}`, another.Timestamp))
	assert.Len(t, last(t, s).Steps, 2)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	var happened []string
	s := standin.New(t, credential, func(s *standin.Server) {
		s.Keep = 2
		s.Events = func(e standin.Event) { // one at a time, so nothing guards happened
			switch {
			case e.Request != nil:
				happened = append(happened, "request "+e.Request.Path+" of "+fmt.Sprint(len(e.Request.Body) > 0))
			case e.Job != nil:
				happened = append(happened, "job "+fmt.Sprint(e.Job.Outcomes))
			case e.Delivery != nil:
				happened = append(happened, fmt.Sprint("delivery ", e.Delivery.Number, e.Delivery.Statuses))
			}
		}
	})
	answers := make(chan int, 4)
	answers <- 503
	answers <- 200
	answers <- 200
	answers <- 200
	url, _ := newPartner(t, func() int { return <-answers })
	startJob(t, s, url, `,"sandbox_result":"2"`)
	assert.Equal(t, []string{
		"request /v1/async_id_verification of true",
		"job [id-validated]", "delivery 1 [503]", "delivery 1 [503 200]",
		"job [id-validated provisional]", "delivery 2 [200]",
		"job [id-validated provisional approved]", "delivery 3 [200]",
	}, happened)

	for range 3 {
		startJob(t, s, "", "")
	}
	assert.Len(t, s.Requests(), 2)
	assert.Empty(t, last(t, s).Body, "what is kept is bounded")
	assert.Empty(t, last(t, s).Header)
	assert.Len(t, s.Jobs(), 2)
	s.Deliver(t.Context(), url, smilesigtest.Callback{Placement: smilesig.Unsigned})
	assert.Equal(t, 4, s.Deliveries()[1].Number)
	assert.Len(t, s.Deliveries(), 2)
}
