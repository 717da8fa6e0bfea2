package standin_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/smilesigtest/standin"
)

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// What stands before the body is judged before the body is read. This test is
// alone, because it counts what is allocated.
func TestLargeBodiesToAnUnknownPathKeepNothing(t *testing.T) {
	s := standin.New(t, credential)
	const clients, size = 16, 63 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var sending sync.WaitGroup
	for _, path := range []string{"/v1/nope", "/v1/services", "/v3/aml", "/v2/smart-selfie-enroll"} {
		for range clients / 4 {
			sending.Go(func() {
				req, err := http.NewRequest(http.MethodPost, s.URL+path, io.LimitReader(zeros{}, size))
				if !assert.NoError(t, err) {
					return
				}
				req.ContentLength = size
				if response, err := http.DefaultClient.Do(req); err == nil { // a slow machine may lose the answer
					response.Body.Close()
				}
			})
		}
	}
	sending.Wait()
	s.Wait()
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(32<<20))
	require.Len(t, s.Requests(), clients)
	for _, r := range s.Requests() {
		assert.Contains(t, []int{404, 405, 401, 400}, r.Status)
		assert.Empty(t, r.Body)
	}
}

// A gatedBody counts how many bodies are being read, and does not end before the
// gate opens.
type gatedBody struct {
	reading, most *atomic.Int32
	gate          <-chan struct{}
	isBegun       bool
}

func (b *gatedBody) Read([]byte) (int, error) {
	if !b.isBegun {
		b.isBegun = true
		now := b.reading.Add(1)
		for most := b.most.Load(); now > most && !b.most.CompareAndSwap(most, now); most = b.most.Load() {
		}
	}
	<-b.gate
	b.reading.Add(-1)
	return 0, io.EOF
}

func TestAFewLargeBodiesAreReadAtOnce(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	var reading, most atomic.Int32
	gate := make(chan struct{})
	var asking sync.WaitGroup
	for range 12 {
		asking.Go(func() {
			req := httptest.NewRequest(http.MethodPost, s.URL+"/v1/token", &gatedBody{reading: &reading, most: &most, gate: gate})
			req.ContentLength = 2 << 20
			s.ServeHTTP(httptest.NewRecorder(), req)
		})
	}
	require.Eventually(t, func() bool { return reading.Load() == 4 }, time.Minute, time.Millisecond)
	assert.Equal(t, http.StatusOK, postJSON(t, newClient(t, s.URL), s.URL+"/v1/token", fromPartner).status, "a small body does not wait")
	close(gate)
	asking.Wait()
	assert.EqualValues(t, 4, most.Load())
}

// Close does not wait for those who wait to be read.
func TestCloseWhileLargeBodiesWait(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	var reading, most atomic.Int32
	gate := make(chan struct{})
	var asking sync.WaitGroup
	statuses := make(chan int, 5)
	for range 5 {
		asking.Go(func() {
			req := httptest.NewRequest(http.MethodPost, s.URL+"/v1/token", &gatedBody{reading: &reading, most: &most, gate: gate})
			req.ContentLength = -1
			response := httptest.NewRecorder()
			s.ServeHTTP(response, req)
			statuses <- response.Code
		})
	}
	require.Eventually(t, func() bool { return reading.Load() == 4 }, time.Minute, time.Millisecond)
	closed := make(chan struct{})
	go func() { s.Close(); close(closed) }()
	assert.Equal(t, http.StatusServiceUnavailable, <-statuses)
	close(gate)
	<-closed
	asking.Wait()
}

// Whoever writes its body before it reads gets the answer, too.
func TestARefusalArrives(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	for range 5 {
		response, err := http.Post(s.URL+"/v1/nope", "application/zip", io.LimitReader(zeros{}, 900_000))
		require.NoError(t, err)
		response.Body.Close()
		assert.Equal(t, http.StatusNotFound, response.StatusCode)
	}
}

// All that is kept of one request has less than 100 KB, as Keep says.
func TestWhatIsKeptOfOneRequest(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential, func(s *standin.Server) { s.Keep = 1 })
	url, _ := newPartner(t, ok)
	client := newClient(t, s.URL)
	body := func(note int) string {
		return `{"partner_id":"085","callback_url":"` + url + "/" + strings.Repeat("x", 4000) + `","partner_params":{"job_type":1,"user_id":"` +
			strings.Repeat("u", 1000) + `","job_id":"` + strings.Repeat("j", 1000) + `","sandbox_result":"2","note":"` + strings.Repeat("n", note) + `"}}`
	}
	req := newRequest(t, http.MethodPost, s.URL+"/v1/async_id_verification", "application/json", body(20_200))
	for n := range 300 {
		req.Header.Set(fmt.Sprint("X-", n), "1")
	}
	require.Equal(t, http.StatusOK, do(t, client, req).status)
	s.Wait()
	kept := 0
	for _, r := range s.Requests() {
		kept += len(r.Path) + len(r.Body) + len(r.Verdict)
		assert.Empty(t, r.Header)
	}
	for _, j := range s.Jobs() {
		kept += len(j.PartnerParams) + len(j.UserID) + len(j.JobID) + len(j.CallbackURL)
	}
	for _, d := range s.Deliveries() {
		kept += 3 * len(d.Callback.Body) // as many as it has made
	}
	assert.Less(t, kept, 100_000)
	assert.Greater(t, kept, 85_000, "the test is near the limit")

	require.Equal(t, http.StatusBadRequest, postJSON(t, client, s.URL+"/v1/async_id_verification", body(22_000)).status)
	do(t, client, newRequest(t, http.MethodGet, s.URL+"/"+strings.Repeat("p", 10_000), "", ""))
	assert.Len(t, last(t, s).Path, 1024)
}

// A payload of many small members would make a token of many times its size.
func TestWhatIsKeptOfAToken(t *testing.T) {
	t.Parallel()
	c := newV3Client(t)
	var members []string
	for n := range 1000 {
		members = append(members, fmt.Sprintf("%q:0", fmt.Sprint(n)))
	}
	ask := func(name, value string) int {
		req := c.request("/v3/token", map[string]string{name: value})
		req.Header.Set("smileid-partner-id", "85")
		req.Header.Set("smileid-api-key", credential.APIKey)
		return do(t, c.Client, req).status
	}
	assert.Equal(t, http.StatusBadRequest, ask("payload", "{"+strings.Join(members, ",")+"}"))
	assert.Equal(t, http.StatusOK, ask("payload", "{"+strings.Join(members[:400], ",")+"}"))
	assert.Less(t, len(c.newToken(map[string]string{"payload": "{" + strings.Join(members[:400], ",") + "}"})), 30_000)
	assert.Equal(t, http.StatusBadRequest, ask("user_id", strings.Repeat("x", 2000)))
	assert.Equal(t, http.StatusBadRequest, ask("product", strings.Repeat("x", 2000)))
}

func TestATimestampOfAnotherYearIsNoLocalTime(t *testing.T) {
	t.Parallel()
	s := standin.New(t, credential)
	for age, remark := range map[time.Duration]string{
		14 * time.Hour:           "accepted; the timestamp is 14h0m0s old: is it local time?",
		16 * time.Hour:           "accepted; the timestamp is 16h0m0s old",
		-365 * 24 * time.Hour:    "accepted; the timestamp is 8760h0m0s ahead",
		3 * 365 * 24 * time.Hour: "accepted; the timestamp is 26280h0m0s old",
	} {
		s.Now = func() time.Time { return standingStill().Add(age) }
		pair := newSigner(t).Sign(standingStill())
		postJSON(t, http.DefaultClient, s.URL+"/v1/job_status", `{"partner_id":"085","timestamp":"`+pair.Timestamp+`","signature":"`+pair.Signature+`"}`)
		assert.Equal(t, remark, last(t, s).Verdict)
	}
}
