package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest"
)

// A receiver is a server with a Verifier and a guard in front of its handler.
type receiver struct {
	URL     string
	mu      sync.Mutex
	bodies  []string
	seen    []smilesig.Callback
	refused []error
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := new(receiver)
	verifier := &smilesig.Verifier{
		Signer:   newSigner(t, ours),
		Guard:    new(smilesig.MemoryGuard),
		OnReject: r.refuse,
	}
	server := httptest.NewServer(verifier.Handler(http.HandlerFunc(r.receive)))
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

func (r *receiver) receive(_ http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	cb, _ := smilesig.FromContext(req.Context())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies, r.seen = append(r.bodies, string(body)), append(r.seen, cb)
}

func (r *receiver) refuse(_ *http.Request, err error) (status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = append(r.refused, err)
	return 0
}

func TestSend(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		args     []string
		code     int
		want     string
		received int
		refused  error
	}{
		{"one", nil, exitDone, "1  200 OK\n", 1, nil},
		{"a webhook", []string{"-v3"}, exitDone, "1  200 OK\n", 1, nil},
		{"three times", []string{"-n", "3"}, exitDone, "1  200 OK\n2  200 OK\n3  200 OK\n", 3, nil},
		{"stale", []string{"-stale"}, exitRefused, "1  401 Unauthorized\n", 0, smilesig.ErrStale},
		{"a stale webhook", []string{"-v3", "-stale"}, exitRefused, "1  401 Unauthorized\n", 0, smilesig.ErrStale},
		{"forged", []string{"-forged"}, exitRefused, "1  401 Unauthorized\n", 0, smilesig.ErrSignature},
		{"swapped", []string{"-swap"}, exitRefused, "1  200 OK\n2  503 Service Unavailable  (another body with the same pair)\n", 1, smilesig.ErrReplayed},
		{"a swapped webhook", []string{"-v3", "-swap", "-n", "2"}, exitRefused, "1  200 OK\n2  200 OK\n3  503 Service Unavailable  (another body with the same pair)\n", 2, smilesig.ErrReplayed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t)
			code, stdout, stderr := smilesigCommand(append(append([]string{"send"}, test.args...), r.URL)...).run(t)
			assert.Equal(t, test.code, code)
			assert.Equal(t, test.want, stdout)
			assert.Empty(t, stderr)
			assert.Len(t, r.bodies, test.received)
			require.ErrorIs(t, errors.Join(r.refused...), test.refused)
			for i, cb := range r.seen {
				assert.Equal(t, i > 0, cb.SeenBefore, "the same callback again")
			}
		})
	}
}

func TestSendSendsEveryProduct(t *testing.T) {
	t.Parallel()
	for _, product := range smilesigtest.Products(smilesig.InHeader) {
		r := newReceiver(t) // each has its own: two may be signed in the same millisecond
		smilesigCommand("send", "-v3", "-product", product, r.URL).output(t)
		require.Len(t, r.bodies, 1, product)
		assert.Contains(t, r.bodies[0], `"product":"`+product+`"`)
		assert.Equal(t, smilesig.InHeader, r.seen[0].Placement)
	}
}

func TestSendSendsJobsOfItsOwn(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	for _, args := range [][]string{
		{"send", "-n", "2"},
		{"send", "-job", "job-17", "-user", "user-4", "-outcome", "declined", "-swap"},
		{"send", "-outcome", "provisional"},
	} {
		r := newReceiver(t)
		code, _, _ := smilesigCommand(append(args, r.URL)...).run(t)
		assert.Equal(t, slices.Contains(args, "-swap"), code == exitRefused)
		for _, body := range r.bodies {
			var callback struct {
				SmileJobID, ResultCode string
				PartnerParams          struct {
					JobID  string `json:"job_id"`
					UserID string `json:"user_id"`
				}
			}
			require.NoError(t, json.Unmarshal([]byte(body), &callback))
			ids[callback.SmileJobID] = true
			if slices.Contains(args, "declined") {
				assert.Equal(t, "0811", callback.ResultCode)
				assert.Equal(t, "job-17", callback.PartnerParams.JobID)
				assert.Equal(t, "user-4", callback.PartnerParams.UserID)
			}
		}
	}
	assert.Len(t, ids, 3, "one for each run")
}

func TestSendSendsABodyOfItsOwn(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	smilesigCommand("send", "-body", "-", r.URL).reading(`{"ResultCode":"1012"}`).output(t)
	require.Len(t, r.bodies, 1)
	assert.True(t, strings.HasSuffix(r.bodies[0], `"ResultCode":"1012"}`), r.bodies[0])
	assert.Equal(t, smilesig.InBody, r.seen[0].Placement)

	r = newReceiver(t)
	smilesigCommand("send", "-v3", "-body", file(t, ` {}`), r.URL).output(t)
	assert.Equal(t, []string{` {}`}, r.bodies)
}

func TestSendPrintsJSON(t *testing.T) {
	t.Parallel()
	code, stdout, _ := smilesigCommand("send", "-swap", "-json", newReceiver(t).URL).run(t)
	assert.Equal(t, exitRefused, code)
	decoder := json.NewDecoder(strings.NewReader(stdout))
	var answers [2]answer
	for i := range answers {
		require.NoError(t, decoder.Decode(&answers[i]))
	}
	assert.Equal(t, [2]answer{{1, false, 200, true, ""}, {2, true, 503, false, ""}}, answers)
	assert.False(t, decoder.More())
}

func TestSendFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	server := httptest.NewServer(http.RedirectHandler(r.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	code, stdout, _ := smilesigCommand("send", server.URL).run(t)
	assert.Equal(t, exitRefused, code)
	assert.Equal(t, "1  307 Temporary Redirect\n", stdout)
	assert.Empty(t, r.bodies)
}

func TestSendFails(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(nil)
	gone.Close()
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // so that the end of the connection is noticed
		<-r.Context().Done()
	}))
	defer slow.Close()
	for _, test := range []struct {
		name string
		call call
		want string
	}{
		{"nobody there", smilesigCommand("send", gone.URL), "connection refused"},
		{"no answer in time", smilesigCommand("send", "-timeout", "20ms", slow.URL), "deadline exceeded"},
		{"no place for the pair", smilesigCommand("send", "-body", "-", gone.URL).reading("[]"), "not a JSON object"},
		{"no such file", smilesigCommand("send", "-body", t.TempDir(), gone.URL), "directory"},
		{"a URL with a secret", smilesigCommand("send", gone.URL+"/secret"), "no answer: dial"},
	} {
		code, stdout, stderr := test.call.run(t)
		assert.NotEqual(t, exitDone, code, test.name)
		assert.Empty(t, stdout, test.name)
		assert.Contains(t, stderr, test.want, test.name)
		assert.NotContains(t, stderr, "/secret", test.name)
	}
}

func TestSendPrintsJSONWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, test := range []struct {
		name, body, want string
	}{
		{"nobody there", "{}", `{"number":1,"swapped":false,"status":0,"acknowledged":false,"cause":"dial tcp ` + strings.TrimPrefix(gone.URL, "http://") + `: connect: connection refused"}` + "\n"},
		{"not sent", "[]", ""},
	} {
		code, stdout, stderr := smilesigCommand("send", "-json", "-n", "2", "-body", "-", gone.URL).reading(test.body).run(t)
		assert.Equal(t, exitRefused, code, test.name)
		assert.Equal(t, test.want, stdout, test.name)
		assert.NotEmpty(t, stderr, test.name)
	}
}
