package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/examples/frameworks/internal/partner"
	"example.com/smilesig/examples/frameworks/internal/servertest"
	"example.com/smilesig/result"
	"example.com/smilesig/smilesigtest"
)

func TestMain(m *testing.M) {
	logging.Disable() // of the Redis client
	slog.SetDefault(slog.New(slog.DiscardHandler))
	m.Run()
}

// A gateway does what API Gateway does: it makes an event of a request, and an
// answer of what the function returns. The stage is in the path.
type gateway struct {
	version  string
	isBase64 bool // as for binary media types
	function lambda.Handler
}

const stage = "/prod"

// to returns g in front of f.
func (g gateway) to(f function) gateway {
	g.function = lambda.NewHandler(f.handle)
	return g
}

func (g gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if recover() != nil { // the runtime reports it as an error of the function
			w.WriteHeader(http.StatusBadGateway)
		}
	}()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	text := string(body)
	if g.isBase64 {
		text = base64.StdEncoding.EncodeToString(body)
	}
	event, err := json.Marshal(g.eventOf(r, text))
	if err != nil {
		panic(err)
	}
	output, err := g.function.Invoke(r.Context(), event)
	var answer events.APIGatewayProxyResponse
	if err != nil || json.Unmarshal(output, &answer) != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.WriteHeader(answer.StatusCode)
}

func (g gateway) eventOf(r *http.Request, body string) any {
	if g.version == "2.0" {
		e := events.APIGatewayV2HTTPRequest{
			Version:         "2.0",
			RawPath:         stage + r.URL.Path,
			RawQueryString:  r.URL.RawQuery,
			Headers:         make(map[string]string),
			Body:            body,
			IsBase64Encoded: g.isBase64,
		}
		for name, values := range r.Header {
			e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
		return e
	}
	e := events.APIGatewayProxyRequest{
		Path:                            r.URL.Path,
		HTTPMethod:                      r.Method,
		Headers:                         make(map[string]string),
		MultiValueHeaders:               r.Header,
		QueryStringParameters:           make(map[string]string),
		MultiValueQueryStringParameters: r.URL.Query(),
		Body:                            body,
		IsBase64Encoded:                 g.isBase64,
	}
	e.RequestContext.Path = stage + r.URL.Path
	for name, values := range r.Header {
		e.Headers[name] = values[len(values)-1]
	}
	for name, values := range r.URL.Query() {
		e.QueryStringParameters[name] = values[len(values)-1]
	}
	return e
}

var gateways = map[string]gateway{
	"version 1":            {version: "1.0"},
	"version 1 and base64": {version: "1.0", isBase64: true},
	"version 2":            {version: "2.0"},
	"version 2 and base64": {version: "2.0", isBase64: true},
}

func TestServer(t *testing.T) {
	for name, g := range gateways {
		t.Run(name, func(t *testing.T) {
			servertest.TestServer(t, func(p *partner.Partner) servertest.Serve {
				return servertest.HTTP(g.to(function{p}))
			})
		})
	}
}

const job = "kenya:production:4711:1"

var credential = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key-of-a-partner"}

// newInstances returns instances of the function, which share a Redis.
func newInstances(t *testing.T) []function {
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("SMILESIG_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip("redis-server is not installed")
	}
	dir, err := os.MkdirTemp("", "lambda") // the path of a socket has to be short
	require.NoError(t, err)
	socket := filepath.Join(dir, "s")
	server := exec.Command("redis-server", "--dir", dir, "--unixsocket", socket, "--port", "0", "--save", "")
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
		os.RemoveAll(dir)
	})
	client := redis.NewClient(&redis.Options{Addr: socket})
	defer client.Close()
	require.Eventually(t, func() bool { return client.Ping(t.Context()).Err() == nil }, 20*time.Second, 5*time.Millisecond)
	return []function{newInstance(t, "unix://"+socket), newInstance(t, "unix://"+socket)}
}

func newInstance(t *testing.T, redisURL string) function {
	f, err := newFunction(func(name string) string {
		return map[string]string{
			"SMILE_PARTNER_ID":      credential.PartnerID,
			"SMILE_API_KEY":         credential.APIKey,
			"SMILE_ORIGIN":          "https://partner.example" + stage,
			"SMILE_CALLBACK_SECRET": "made-up-secret-of-32-bytes-or-so",
			"REDIS_URL":             redisURL,
		}[name]
	}, func(context.Context, string, result.Result) error { return nil })
	require.NoError(t, err)
	return f
}

// send lets g call f with a callback, and returns the status of the answer.
func (g gateway) send(f function, sent *http.Request) int {
	answer := httptest.NewRecorder()
	g.to(f).ServeHTTP(answer, sent)
	return answer.Code
}

func (f function) pathOf(job string) string {
	return strings.TrimPrefix(f.URLs.For(job), "https://partner.example"+stage)
}

func TestInstancesShareAGuard(t *testing.T) {
	t.Parallel()
	instances := newInstances(t)
	one, another := instances[0], instances[1]
	for name, g := range gateways {
		for _, placement := range []smilesig.Placement{smilesig.InBody, smilesig.InHeader} {
			cb := smilesigtest.NewCallback(credential, []byte(`{"ResultCode":"0810"}`))
			cb.Placement = placement
			path := one.pathOf(job)
			assert.Equal(t, http.StatusOK, g.send(one, cb.Request(path)), name)
			assert.Equal(t, http.StatusOK, g.send(another, cb.Request(path)), "%s: delivered again", name)
			assert.Equal(t, http.StatusServiceUnavailable, g.send(another, cb.WithBody([]byte(`{"ResultCode":"0811"}`)).Request(path)), "%s: another body", name)
			assert.Equal(t, http.StatusServiceUnavailable, g.send(another, cb.Request(one.pathOf("another"))), "%s: another job", name)
			assert.Equal(t, http.StatusServiceUnavailable, g.send(another, cb.Request(path+"?a=1")), "%s: a query", name)
		}
	}
	unreachable := newInstance(t, "unix://"+filepath.Join(t.TempDir(), "none"))
	cb := smilesigtest.NewCallback(credential, []byte(`{"ResultCode":"0810"}`))
	assert.Equal(t, http.StatusServiceUnavailable, gateways["version 1"].send(unreachable, cb.Request(one.pathOf(job))), "no Redis")
}

// A value that is given twice is not taken once: version 1 has only the last in
// Headers, version 2 has both in one text.
func TestDoubledHeader(t *testing.T) {
	t.Parallel()
	f := newInstances(t)[0]
	cb := smilesigtest.NewWebhook(credential, []byte(`{"status":"clear","product":"document_verification"}`)).Doubled()
	assert.Equal(t, http.StatusBadRequest, gateways["version 1"].send(f, cb.Request(f.pathOf(job))))
	assert.Equal(t, http.StatusUnauthorized, gateways["version 2"].send(f, cb.Request(f.pathOf(job))))
}

// The events are samples of Amazon's, cut down. Their bodies are none of ours.
func TestTargetOfEvent(t *testing.T) {
	t.Parallel()
	for event, target := range map[string]string{
		`{"version":"2.0","routeKey":"POST /callbacks/{job}","rawPath":"/prod/callbacks/abc","rawQueryString":"b=2&a=1&b=1","requestContext":{"stage":"prod"}}`:                              "/prod/callbacks/abc?b=2&a=1&b=1",
		`{"version":"2.0","routeKey":"$default","rawPath":"/callbacks/abc","rawQueryString":"","requestContext":{"stage":"$default"}}`:                                                       "/callbacks/abc",
		`{"resource":"/callbacks/{job}","path":"/callbacks/abc","multiValueQueryStringParameters":{"b":["2","1"],"a":["1"]},"requestContext":{"path":"/prod/callbacks/abc","stage":"prod"}}`: "/prod/callbacks/abc?a=1&b=2&b=1",
		`{"version":"1.0","path":"/callbacks/abc","multiValueQueryStringParameters":null,"requestContext":{"path":"/callbacks/abc","stage":"prod"}}`:                                         "/callbacks/abc",
	} {
		cb, err := readEvent([]byte(event))
		require.NoError(t, err)
		assert.Equal(t, target, cb.target.RequestURI())
	}
}

func TestWhatIsNoCallbackIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	f := newInstance(t, "redis://localhost:1")
	for _, event := range []string{
		`{"version":"2.0","rawPath":"/"}`,
		`{"version":"2.0","rawPath":"/guessed"}`,
	} {
		answer, err := f.handle(t.Context(), json.RawMessage(event))
		require.NoError(t, err)
		assert.Equal(t, http.StatusNotFound, answer.StatusCode, event)
	}
	for _, event := range []string{
		`null and void`,
		`{"version":"0","source":"aws.events"}`, // of a schedule
		`{"Records":[{"body":"{}"}]}`,           // of a queue, which would delete an acknowledged message
		`{"version":"2.0","headers":"none"}`,
		`{"path":[]}`,
		`{"version":"2.0","rawPath":"` + f.pathOf(job) + `","body":"no base64","isBase64Encoded":true}`,
	} {
		_, err := f.handle(t.Context(), json.RawMessage(event))
		assert.Error(t, err, event)
	}
}

func TestFaultySettings(t *testing.T) {
	t.Parallel()
	for _, redisURL := range []string{"", "localhost:6379", "redis://user:made-up-password@host:port"} {
		_, err := newFunction(func(name string) string {
			if name == "REDIS_URL" {
				return redisURL
			}
			return ""
		}, nil)
		require.ErrorContains(t, err, "REDIS_URL")
		assert.ErrorContains(t, err, "API key")
		assert.NotContains(t, err.Error(), "made-up")
	}
}
