// A function of AWS Lambda that takes Smile ID's callbacks from API Gateway, by
// events of both versions: REST APIs have version 1, HTTP APIs and function URLs
// have 2. To use it in a function of your own, copy this file, and put your own
// settings and your own Keep in the place of package partner.
//
// Do not use it behind a queue such as SQS: an event without a path is an error
// here, and a queue needs an answer for each of its messages.
//
// SMILE_ORIGIN ends in the stage if the URL of the API has one, as in
// https://abc.execute-api.eu-west-1.amazonaws.com/prod. Package partner names the
// other settings.
//
// Every instance of a function has its own memory, and API Gateway calls any of
// them. So the guard must be one that they share. This one is on the Redis of
// REDIS_URL, such as rediss://user:password@host:6379. If the function cannot reach
// it, every callback gets 503: read the jobs back.
//
// In examples/frameworks:
//
//	GOOS=linux GOARCH=arm64 go build -o bootstrap ./lambda
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/redis/go-redis/v9"

	"example.com/smilesig"
	"example.com/smilesig/examples/frameworks/internal/partner"
	"example.com/smilesig/joburl"
	"example.com/smilesig/redisguard"
)

func main() {
	f, err := newFunction(os.Getenv, partner.LogResult)
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(f.handle)
}

type function struct{ *partner.Partner }

func newFunction(getenv func(string) string, keep partner.Keep) (function, error) {
	p, err := partner.New(getenv, keep)
	options, urlErr := redis.ParseURL(getenv("REDIS_URL"))
	if urlErr != nil { // it may quote the password
		err = errors.Join(err, errors.New("REDIS_URL is no URL of a Redis"))
	}
	if err != nil {
		return function{}, err
	}
	options.ContextTimeoutEnabled = true
	options.DialerRetries = 1
	p.Verifier.Guard, err = redisguard.New(redis.NewClient(options), redisguard.Options{})
	return function{p}, err
}

// handle takes a callback. A panic or an error makes API Gateway answer 500 or 502.
func (f function) handle(ctx context.Context, event json.RawMessage) (events.APIGatewayProxyResponse, error) {
	cb, err := readEvent(event)
	if err == nil && cb.target.Path == "" {
		err = errors.New("the event is not from API Gateway: it has no path")
	}
	if err != nil {
		return events.APIGatewayProxyResponse{}, err
	}
	return events.APIGatewayProxyResponse{StatusCode: f.take(ctx, cb)}, nil
}

func (f function) take(ctx context.Context, cb callback) (status int) {
	job, isOurs := f.URLs.Job(path.Base(cb.target.Path))
	if !isOurs {
		slog.WarnContext(ctx, "callback at no URL of ours")
		return http.StatusNotFound
	}
	verified, err := f.Verifier.Verify(ctx, cb.target.RequestURI(), cb.header, cb.body)
	if err != nil {
		slog.WarnContext(ctx, "callback refused", "job", job, "reason", smilesig.Reason(err), "error", err)
		return smilesig.StatusCode(err)
	}
	ctx = joburl.NewContext(smilesig.NewContext(ctx, verified), job)
	return f.Take(ctx, bytes.NewReader(cb.body))
}

// A callback is what an event of either version says.
type callback struct {
	target url.URL // with the stage, as it was sent
	header http.Header
	body   []byte
}

func readEvent(event []byte) (callback, error) {
	var kind struct{ Version string }
	if err := json.Unmarshal(event, &kind); err != nil {
		return callback{}, err
	}
	if kind.Version == "2.0" {
		return readVersion2(event)
	}
	return readVersion1(event)
}

// readVersion1 takes MultiValueHeaders, because Headers has the last of several
// values only, and the path of the context, because Path lacks the stage.
func readVersion1(event []byte) (callback, error) {
	var e events.APIGatewayProxyRequest
	if err := json.Unmarshal(event, &e); err != nil {
		return callback{}, err
	}
	query := url.Values(e.MultiValueQueryStringParameters).Encode() // in the order of the names
	body, err := bodyOf(e.Body, e.IsBase64Encoded)
	return callback{url.URL{Path: e.RequestContext.Path, RawQuery: query}, e.MultiValueHeaders, body}, err
}

// readVersion2 leaves the names in lower case, and several values of one joined by
// commas, as the event has them. Verify takes any case, and no such value confirms.
func readVersion2(event []byte) (callback, error) {
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(event, &e); err != nil {
		return callback{}, err
	}
	header := make(http.Header)
	for name, value := range e.Headers {
		header[name] = []string{value}
	}
	body, err := bodyOf(e.Body, e.IsBase64Encoded)
	return callback{url.URL{Path: e.RawPath, RawQuery: e.RawQueryString}, header, body}, err
}

func bodyOf(text string, isBase64 bool) ([]byte, error) {
	if isBase64 {
		return base64.StdEncoding.DecodeString(text)
	}
	return []byte(text), nil
}
