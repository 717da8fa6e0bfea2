package interop

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
	"example.com/smilesig/smilesigtest"
)

// A partner has callback handlers behind nginx.
type partner struct {
	credential smilesig.Credential
	nginx      string // its URL
	job        string // the URL of a job
}

// newPartner starts a number of servers, and nginx in front of them. Below /short, they
// accept no more than 1000 bytes.
func newPartner(t *testing.T, nginx proxy, servers int) *partner {
	p := &partner{credential: credentials[0]}
	onReject := func(r *http.Request, _ error) int {
		assert.NoError(t, r.Context().Err())
		return 0
	}
	signer, guard := newSigner(t, p.credential), &smilesig.MemoryGuard{}
	verifier := &smilesig.Verifier{Signer: signer, Guard: guard, OnReject: onReject}
	short := &smilesig.Verifier{Signer: signer, Guard: guard, OnReject: onReject, MaxBytes: 1000}
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

	urls, err := joburl.New("https://partner.example/callbacks", []byte(strings.Repeat("s", 32)))
	require.NoError(t, err)
	urls.OnReject = func(r *http.Request, err error) { onReject(r, err) }
	mux := http.NewServeMux()
	mux.Handle("/", urls.Handler(verifier.Handler(ok)))
	mux.Handle("POST /short", short.Handler(ok))
	var group []*httptest.Server
	for range servers {
		server := httptest.NewServer(mux)
		t.Cleanup(server.Close)
		group = append(group, server)
	}
	p.nginx = nginx.start(t, group...)
	p.job = strings.Replace(urls.For("made-up:1"), "https://partner.example", p.nginx, 1)
	return p
}

// send sends a callback by way of nginx and returns the status of the answer.
func send(t *testing.T, callback smilesigtest.Callback, url string) int {
	t.Helper()
	response, err := callback.Send(t.Context(), nil, url)
	require.NoError(t, err)
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	return response.StatusCode
}

// webhook returns a v3 callback, which has its pair in headers, of a number of bytes.
func (p *partner) webhook(size int) smilesigtest.Callback {
	body := `{"status":"clear","padding":""}`
	return smilesigtest.NewWebhook(p.credential, []byte(strings.Replace(body, `""`, `"`+strings.Repeat("a", size-len(body))+`"`, 1)))
}

// proxies are nginx as it comes, and as docs/deployment.md sets it up.
var proxies = map[string]proxy{
	"defaults":    {},
	"recommended": {"keepalive 8;", `proxy_http_version 1.1; proxy_set_header Connection ""; client_max_body_size 4m;`},
}

func TestNginxDeliversRefusals(t *testing.T) {
	t.Parallel()
	for name, nginx := range proxies {
		for _, servers := range []int{1, 2} {
			t.Run(fmt.Sprint(name, " ", servers), func(t *testing.T) {
				t.Parallel()
				p := newPartner(t, nginx, servers)
				answers := make(map[string]int)
				note := func(what string, callback smilesigtest.Callback, url string) {
					answers[fmt.Sprint(what, " ", send(t, callback, url))]++
				}
				for range 15 {
					for _, size := range []int{10_000, 100_000, 300_000, 900_000} {
						callback := p.webhook(size)
						note("guessed", callback, p.nginx+"/callbacks/guessed")
						note("forged", callback.Forged(), p.job)
						note("too large", callback, p.nginx+"/short")
						callback.Header = http.Header{"Content-Encoding": {"gzip"}}
						note("encoded", callback, p.job)
					}
				}
				assert.Equal(t, map[string]int{"guessed 404": 60, "forged 401": 60, "too large 413": 60, "encoded 415": 60}, answers)
			})
		}
	}
}

// nginx takes a server out of its group for ten seconds when an answer gets lost.
func TestStrangersTakeNoServerOutOfNginx(t *testing.T) {
	t.Parallel()
	for name, nginx := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPartner(t, nginx, 2)
			for i := range 40 {
				send(t, p.webhook(900_000), p.nginx+"/guessed")
				send(t, p.webhook(900_000).Forged(), p.job)
				require.Equal(t, http.StatusOK, send(t, p.webhook(500), p.job), i)
			}
		})
	}
}
