package readback_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/readback"
	"example.com/smilesig/result"
)

// job is a result of enhanced KYC, about user-1 and job-1 unless changed.
func job(code string) string {
	return `{"SmileJobID":"0000000001","ResultCode":"` + code + `","ResultText":"ID Number Validated","IsFinalResult":"true","PartnerParams":{"user_id":"user-1","job_id":"job-1","job_type":5}}`
}

func jobStatus(t *testing.T, status int, body string) (result.Result, error) {
	t.Helper()
	reader := serve(t, func(w http.ResponseWriter, r *http.Request) { write(w, status, body) })
	return reader.JobStatus(t.Context(), "user-1", "job-1")
}

func TestTheQuestion(t *testing.T) {
	signer := newSigner(t)
	reader := serve(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "POST /v1/job_status", r.Method+" "+r.URL.String())
		assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
		var question map[string]any
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&question))
		timestamp, _ := question["timestamp"].(string)
		signature, _ := question["signature"].(string)
		assert.True(t, signer.Confirm(timestamp, signature))
		delete(question, "timestamp")
		delete(question, "signature")
		assert.Equal(t, map[string]any{
			"partner_id": "085", "user_id": `user "1"`, "job_id": "job-1", "image_links": false, "history": false,
		}, question)
		write(w, http.StatusOK, signed(t, `"job_complete":false`))
	})
	_, err := reader.JobStatus(t.Context(), `user "1"`, "job-1")
	require.ErrorIs(t, err, readback.ErrPending)
}

func TestTheQuestionIsSignedForNow(t *testing.T) {
	at := time.Date(2024, 1, 2, 3, 4, 5, 678e6, time.UTC)
	reader := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		assert.Contains(t, string(body), `"2024-01-02T03:04:05.678Z"`)
		write(w, http.StatusOK, signed(t, `"job_complete":false`))
	})
	reader.Now = func() time.Time { return at }
	_, err := reader.JobStatus(t.Context(), "user-1", "job-1")
	require.ErrorIs(t, err, readback.ErrPending)
}

func TestJobStatusReadsTheResult(t *testing.T) {
	got, err := jobStatus(t, http.StatusOK, signed(t, `"job_complete":true,"job_success":true,"code":"2302","result":`+job("1012")))
	require.NoError(t, err)
	assert.Equal(t, result.Result{
		Outcome: result.Approved, Version: 1, Code: "1012", Text: "ID Number Validated", JobType: 5,
		SmileJobID: "0000000001", UserID: "user-1", JobID: "job-1", Actions: map[string]string{},
	}, got)
}

func TestJobSuccess(t *testing.T) {
	for _, success := range []struct {
		member string
		code   string
		want   result.Outcome
	}{
		{`"job_success":true,`, "1012", result.Approved},
		{``, "1012", result.Approved},
		{`"job_success":false,`, "1012", result.Review},
		{`"job_success":null,`, "1012", result.Review},
		{`"job_success":"true",`, "1012", result.Review},
		{`"job_success":true,"job_success":true,`, "1012", result.Review},
		{`"JOB_SUCCESS":false,`, "1012", result.Approved},
		{`"job_success":true,`, "1013", result.Rejected},
		{`"job_success":false,`, "1013", result.Rejected},
		{`"job_success":false,`, "1015", result.NoVerdict},
		{`"job_success":true,`, "1021", result.Review},
		{`"job_success":true,`, "9999", result.Unknown},
	} {
		got, err := jobStatus(t, http.StatusOK, signed(t, success.member+`"job_complete":true,"result":`+job(success.code)))
		require.NoError(t, err, "a result, whatever it is")
		assert.Equal(t, success.want, got.Outcome, "%s %s", success.member, success.code)
	}
}

func TestJobStatusIsPendingUntilItIsComplete(t *testing.T) {
	for _, members := range []string{
		`"job_complete":false,"job_success":false,"result":{}`,
		`"job_complete":false,"job_success":true,"result":` + job("1012"), // the Node SDK polls on here
		`"job_complete":false,"result":"No zip uploaded yet","code":"2314"`,
		`"job_complete":false,"result":null`,
		`"job_complete":false`,
	} {
		got, err := jobStatus(t, http.StatusOK, signed(t, members))
		assert.ErrorIs(t, err, readback.ErrPending, members)
		assert.Equal(t, result.Result{}, got)
	}
}

func TestCompleteWithoutAResultIsNoVerdict(t *testing.T) {
	for value, text := range map[string]string{
		`{}`: "", `{ }`: "", `""`: "", `"No zip received"`: "No zip received", `"\u004eo"`: "No",
	} {
		got, err := jobStatus(t, http.StatusOK, signed(t, `"job_complete":true,"job_success":false,"result":`+value))
		require.NoError(t, err, value)
		assert.Equal(t, result.Result{Outcome: result.NoVerdict, Version: 1, Text: text, UserID: "user-1", JobID: "job-1"}, got, value)
	}
}

func TestJobStatusThatCannotBeRead(t *testing.T) {
	for _, members := range []string{
		`"job_complete":true,"result":null`,
		`"job_complete":true`,
		`"job_complete":true,"result":[]`,
		`"job_complete":true,"result":[` + job("1012") + `]`,
		`"job_complete":true,"result":1012`,
		`"job_complete":true,"result":true`,
		`"job_complete":true,"result":` + job("1012") + `,"result":` + job("1012"),
		`"job_complete":true,"result":{},"result":{}`,
		`"job_complete":"true","result":` + job("1012"),
		`"job_complete":1,"result":` + job("1012"),
		`"job_complete":null,"result":` + job("1012"),
		`"job_complete":false,"job_complete":true,"result":` + job("1012"),
		`"Job_Complete":true,"result":` + job("1012"),
		`"result":` + job("1012"),
		`"success":true`,
	} {
		got, err := jobStatus(t, http.StatusOK, signed(t, members))
		require.Error(t, err, members)
		assert.Contains(t, err.Error(), "the answer cannot be read: ", members)
		assert.NotContains(t, err.Error(), "1012")
		for _, other := range []error{readback.ErrPending, readback.ErrNotFound, readback.ErrOther} {
			assert.NotErrorIs(t, err, other, members)
		}
		assert.Equal(t, result.Result{}, got)
	}
}

func TestJobStatusAboutAnotherJob(t *testing.T) {
	for _, members := range []string{
		`"PartnerParams":{"user_id":"user-2","job_id":"job-1","job_type":5}`,
		`"PartnerParams":{"user_id":"user-1","job_id":"job-2","job_type":5}`,
		`"PartnerParams":{"user_id":"user-1","job_type":5}`,
		`"PartnerParams":{"job_id":"job-1","job_type":5}`,
		`"PartnerParams":{"user_id":"user-1","user_id":"user-1","job_id":"job-1","job_type":5}`,
		`"PartnerParams":null`,
		`"ResultText":"x"`,
		`"user_id":"user-1","job_id":"job-1"`,
		`"partnerparams":{"user_id":"user-1","job_id":"job-1","job_type":5}`,
	} {
		got, err := jobStatus(t, http.StatusOK, signed(t, `"job_complete":true,"job_success":true,"result":{"ResultCode":"1012",`+members+`}`))
		require.ErrorIs(t, err, readback.ErrOther, members)
		assert.Equal(t, result.Result{}, got)
	}
}

func TestJobStatusWithoutResultCodeIsUnknown(t *testing.T) {
	got, err := jobStatus(t, http.StatusOK, signed(t, `"job_complete":true,"job_success":true,"result":{"PartnerParams":{"user_id":"user-1","job_id":"job-1"}}`))
	require.NoError(t, err)
	assert.Equal(t, result.Unknown, got.Outcome)
}

func TestJobStatusMustBeSigned(t *testing.T) {
	complete := `"job_complete":true,"job_success":true,"result":` + job("1012")
	hash := strings.Repeat("0123456789abcdef", 4) // what anybody can compute
	for body, want := range map[string]error{
		`{` + complete + `}`: smilesig.ErrMissing,
		`{"timestamp":"2024-01-02T03:04:05.678Z","signature":"` + hash + `",` + complete + `}`: smilesig.ErrSignature,
		strings.Replace(signed(t, complete), `"signature":"`, `"signature":"A`, 1):             smilesig.ErrSignature,
	} {
		_, err := jobStatus(t, http.StatusOK, body)
		require.ErrorIs(t, err, want)
		assert.NotContains(t, err.Error(), "1012")
	}
}

func TestRefusals(t *testing.T) {
	for _, refusal := range []struct {
		status    int
		body      string
		code      string
		temporary bool
	}{
		{400, `{"error":"Signature is wrong","code":"2205"}`, "2205", false},
		{400, `{"error":"Signature is wrong","code":2413}`, "2413", false},
		{403, `{"code":"1"}`, "1", false},
		{401, `{"code":"22051"}`, "", false},
		{404, `{"code":"22a5"}`, "", false},
		{404, `{"code":""}`, "", false},
		{404, `{"code":-5}`, "", false},
		{404, `{"code":{"code":"2205"}}`, "", false},
		{404, `{"code":"2205","code":"2205"}`, "", false},
		{413, `<html>1012</html>`, "", false},
		{408, ``, "", true},
		{425, ``, "", true},
		{429, `{"code":"2428"}`, "2428", true},
		{500, `not JSON`, "", true},
		{502, `{"code":"2201"}`, "2201", true},
		{503, strings.Repeat("x", 5<<20), "", true},
		{599, ``, "", true},
	} {
		_, err := jobStatus(t, refusal.status, refusal.body)
		refused, ok := errors.AsType[*readback.RefusedError](err)
		require.True(t, ok, "%d %v", refusal.status, err)
		assert.Equal(t, readback.RefusedError{Status: refusal.status, Code: refusal.code}, *refused)
		assert.Equal(t, refusal.temporary, refused.Temporary(), refusal.status)
		assert.Equal(t, fmt.Sprintf("readback: refused with status %d, code %q", refusal.status, refusal.code), err.Error())
	}
	for status, temporary := range map[int]bool{0: false, 200: false, 400: false, 407: false, 426: false, 499: false, 500: true, 600: false} {
		assert.Equal(t, temporary, (&readback.RefusedError{Status: status}).Temporary(), status)
	}
	_, err := jobStatus(t, http.StatusCreated, signed(t, `"job_complete":true,"result":`+job("1012")))
	require.ErrorAs(t, err, new(*readback.RefusedError), "201 is no answer to a question")
}

func TestAnAnswerThatIsTooLong(t *testing.T) {
	filler := `"filler":"` + strings.Repeat("x", 4<<20) + `"`
	_, err := jobStatus(t, http.StatusOK, signed(t, `"job_complete":false,`+filler))
	require.Error(t, err)
	assert.NotErrorIs(t, err, readback.ErrPending)

	_, err = serve(t, answering(t, http.StatusOK, `{`+filler+`}`).ServeHTTP).Status(t.Context(), v3Job)
	require.EqualError(t, err, "readback: the answer cannot be read: it is longer than 4 MiB")

	body := v3Status("clear")
	body = body[:len(body)-1] + `,"filler":"` + strings.Repeat("x", 4<<20-len(body)-len(`,"filler":""`)) + `"}`
	require.Len(t, body, 4<<20)
	got, err := serve(t, answering(t, http.StatusOK, body).ServeHTTP).Status(t.Context(), v3Job)
	require.NoError(t, err)
	assert.Equal(t, result.Approved, got.Outcome)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		reader := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL+r.URL.Path, status) })
		_, err := reader.JobStatus(t.Context(), "user-1", "job-1")
		require.ErrorIs(t, err, smilesig.ErrMissing, status)
		_, err = reader.Status(t.Context(), v3Job)
		require.EqualError(t, err, fmt.Sprintf(`readback: refused with status %d, code ""`, status))

		api := &v3API{t: t, status: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) }}
		_, err = serve(t, api.ServeHTTP).Status(t.Context(), v3Job)
		require.EqualError(t, err, fmt.Sprintf(`readback: refused with status %d, code ""`, status))
	}
	assert.Zero(t, followed.Load())
}

func TestFaultyConfigurations(t *testing.T) {
	signer := newSigner(t)
	unused := roundTripper(func(*http.Request) (*http.Response, error) {
		t.Error("something was sent")
		return nil, errors.New("unused")
	})
	const origin = "https://api.example"
	check := func(reader *readback.Reader, userID, jobID, smileJobID string) {
		t.Helper()
		reader.Base = unused
		_, err := reader.JobStatus(t.Context(), userID, jobID)
		require.ErrorIs(t, err, smilesig.ErrConfig)
		assert.NotContains(t, err.Error(), "pass"+"word")
		_, err = reader.Status(t.Context(), smileJobID)
		require.ErrorIs(t, err, smilesig.ErrConfig)
		assert.NotContains(t, err.Error(), "pass"+"word")
	}
	for _, origin := range []string{
		"", "api.example", "https://", "https:///", "http://api.example", "http://192.0.2.1", "http://10.0.0.1:80", "ftp://127.0.0.1",
		"https://api.example/v1", "https://api.example//", "https://api.example?a=b", "https://api.example#a", "https://user:password@api.example",
		"http://user:password@127.0.0.1", "http://127.0.0.1.api.example", "http://localhost.api.example", "http://127.0.0.1@api.example",
		"https://api example", "https://[::1", "https://api.example\\@other.example", "https://api.example:port", "http://[::2]", "http://local\u017fhost", "https://api.\u017fmile",
		"http://LOCALHOST", "http://Localhost:9", "http://127.0.0.01", "http://127.0.0.256", // net/http sends these to a proxy
		"http://localho\u017ft", " https://api.example", "https://api.example\n",
	} {
		check(&readback.Reader{Signer: signer, Origin: origin}, "user-1", "job-1", v3Job)
	}
	check(&readback.Reader{Origin: origin}, "user-1", "job-1", v3Job)
	check(&readback.Reader{Signer: new(smilesig.Signer), Origin: origin}, "user-1", "job-1", v3Job)
	for _, id := range []string{"\xff", "job_1\xc3", "\xed\xa0\x80"} { // JSON has U+FFFD in their place
		check(&readback.Reader{Signer: signer, Origin: origin}, id, "job-1", id)
		check(&readback.Reader{Signer: signer, Origin: origin}, "user-1", id, id)
	}
	check(&readback.Reader{Signer: signer, Origin: origin}, "\xc3", "\xa9", "\xc3")
	for _, id := range []string{"", " ", "job-1", "job/1", "..", "job_1?a=b", "job_1#", "job_1\n", "jöb", "job%5f1", "jo\x00b"} {
		check(&readback.Reader{Signer: signer, Origin: origin}, "", "job-1", id)
		check(&readback.Reader{Signer: signer, Origin: origin}, "user-1", "", id)
	}
}

func TestGoodOrigins(t *testing.T) {
	for _, origin := range []string{
		"https://api.example", "https://api.example/", "https://api.example:8443", "HTTPS://API.example", "https://192.0.2.1", "https://[2001:db8::1]:443",
		"http://127.0.0.1", "http://127.1.2.3:8080/", "http://[::1]:8080", "http://localhost:1", "HTTP://localhost", "http://127.255.249.199", "http://127.0.0.10",
	} {
		var asked []string
		base := roundTripper(func(r *http.Request) (*http.Response, error) {
			asked = append(asked, r.URL.Path)
			return nil, io.ErrUnexpectedEOF
		})
		reader := &readback.Reader{Signer: newSigner(t), Origin: origin, Base: base}
		_, err := reader.JobStatus(t.Context(), "user-1", "job-1")
		require.EqualError(t, err, "readback: unexpected EOF", origin)
		_, err = reader.Status(t.Context(), v3Job)
		require.EqualError(t, err, "readback: unexpected EOF", origin)
		assert.Equal(t, []string{"/v1/job_status", "/v3/token"}, asked, origin)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// An error may not quote what the other side sent, but its cause is in the chain.
func TestErrorsOfTheConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := listener.Addr().String()
	listener.Close()
	reader := &readback.Reader{Signer: newSigner(t), Origin: "http://" + closed}
	_, err = reader.JobStatus(t.Context(), "user-1", "job-1")
	require.ErrorContains(t, err, "connection refused")
	assert.ErrorAs(t, err, new(*net.OpError))

	listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			connection.Read(make([]byte, 4096))
			io.WriteString(connection, "HTTP/1.1 Nkechi\r\n\r\n")
			connection.Close()
		}
	}()
	reader.Origin = "http://" + listener.Addr().String()
	_, err = reader.JobStatus(t.Context(), "user-1", "job-1")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "Nkechi")
	assert.Contains(t, errors.Unwrap(err).Error(), "Nkechi", "or this test does not test")

	short := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusOK)
		io.WriteString(w, `{"Nkechi":`)
	})
	_, err = short.JobStatus(t.Context(), "user-1", "job-1")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.NotContains(t, err.Error(), "Nkechi")
	api := &v3API{t: t, status: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusOK)
		io.WriteString(w, `{"Nkechi":`)
	}}
	_, err = serve(t, api.ServeHTTP).Status(t.Context(), v3Job)
	require.EqualError(t, err, "readback: unexpected EOF")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestACertificateOfSomebodyElse(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	reader := &readback.Reader{Signer: newSigner(t), Origin: server.URL, Base: &http.Transport{}}
	_, err := reader.JobStatus(t.Context(), "user-1", "job-1")
	require.EqualError(t, err, "readback: *tls.CertificateVerificationError")
	requireInterruption(t, err)
}

// requireInterruption says that a worker tries again.
func requireInterruption(t *testing.T, err error) {
	t.Helper()
	temporary, ok := errors.AsType[interface {
		net.Error
		Temporary() bool
	}](err)
	require.True(t, ok)
	require.True(t, temporary.Temporary())
	isTimeout := err.Error() == "readback: context deadline exceeded" || strings.Contains(err.Error(), "imeout")
	require.Equal(t, isTimeout, temporary.Timeout())
}

func TestATimeoutOfTheTransport(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // and nobody shakes hands
	require.NoError(t, err)
	defer listener.Close()
	base := &http.Transport{TLSHandshakeTimeout: 20 * time.Millisecond}
	reader := &readback.Reader{Signer: newSigner(t), Origin: "https://" + listener.Addr().String(), Base: base}
	_, err = reader.JobStatus(t.Context(), "user-1", "job-1")
	require.ErrorContains(t, err, "Timeout")
	requireInterruption(t, err)
}

// net/http speaks HTTP/2 with Smile ID, whose errors are no EOF.
func TestHTTP2BreaksOff(t *testing.T) {
	for _, start := range []string{"", `{"job_complete":`} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, start)
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}))
		server.EnableHTTP2 = true
		server.StartTLS()
		defer server.Close()
		reader := &readback.Reader{Signer: newSigner(t), Origin: server.URL, Base: server.Client().Transport}
		_, err := reader.JobStatus(t.Context(), "user-1", "job-1")
		require.ErrorContains(t, err, "readback: ")
		requireInterruption(t, err)
	}
}

func TestABaseWithoutAnswer(t *testing.T) {
	reader := &readback.Reader{Signer: newSigner(t), Origin: "https://api.smileidentity.com", Base: noAnswer{}}
	_, err := reader.JobStatus(t.Context(), "user-1", "job-1")
	requireInterruption(t, err)
}

type noAnswer struct{}

func (noAnswer) RoundTrip(*http.Request) (*http.Response, error) { return nil, nil }

func TestTheEndOfTheContext(t *testing.T) {
	asked := make(chan struct{}, 2)
	reader := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // only then the server notices that the client has gone
		asked <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, err := reader.JobStatus(ctx, "user-1", "job-1")
	require.ErrorIs(t, err, context.Canceled)
	require.EqualError(t, err, "readback: context canceled")
	requireInterruption(t, err)

	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = reader.Status(ctx, v3Job)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualError(t, err, "readback: context deadline exceeded")
	requireInterruption(t, err)
}

func TestPrintingShowsTheOriginOnly(t *testing.T) {
	api := answering(t, http.StatusOK, v3Status("clear"))
	reader := serve(t, api.ServeHTTP)
	_, err := reader.Status(t.Context(), v3Job)
	require.NoError(t, err)
	issued, _ := api.tokens()
	holder := struct{ reader *readback.Reader }{reader}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t"} {
		assert.Equal(t, "readback.Reader{Origin:"+reader.Origin+"}", fmt.Sprintf(verb, reader), verb)
		for _, printed := range []string{fmt.Sprintf(verb, holder), fmt.Sprintf(verb, &holder)} {
			for _, secret := range []string{apiKey, issued[0], fmt.Sprintf("%x", apiKey), fmt.Sprintf("%x", issued[0])} {
				assert.NotContains(t, strings.ToLower(printed), strings.ToLower(secret), verb)
			}
		}
	}
	printed := fmt.Sprint(&readback.Reader{Origin: "https://user:secret@api.example"})
	assert.Equal(t, "readback.Reader{Origin:api.example}", printed)
}
