package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
	"example.com/smilesig/readback"
	"example.com/smilesig/result"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

const patient = time.Minute // the machine may be busy

var (
	credential = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}
	secret     = bytes.Repeat([]byte("s"), 32)
	testPace   = pace{run: 20 * time.Second, again: 100 * time.Millisecond, sweep: time.Second}
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if point := os.Getenv("RIVER_CRASH_AT"); point != "" {
		runUntilCrash(point)
	}
	flag.Parse()
	flag.Set("test.parallel", "8") // the tests wait most of the time
	code := m.Run()
	if sharedNow != nil {
		sharedNow.remove()
	}
	os.Exit(code)
}

// A world has Smile ID and the database of a partner. Smile ID decides and sends
// nothing by itself.
type world struct {
	t        *testing.T
	smileID  *standin.Server
	origin   string // in front of smileID
	answer   atomic.Pointer[http.HandlerFunc]
	postgres *postgres
	database string
	db       *pgxpool.Pool
	begin    time.Time
	sent     atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOn(t, sharedPostgres(t))
}

func newWorldOn(t *testing.T, p *postgres) *world {
	t.Helper()
	w := &world{t: t, begin: time.Now(), postgres: p, database: p.newDatabase(t, "pattern")}
	w.smileID = standin.New(t, credential, func(s *standin.Server) { s.Outcomes = smilesigtest.Always() })
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if answer := w.answer.Load(); answer != nil && isQuestion(r) {
			(*answer)(rw, r)
			return
		}
		w.smileID.ServeHTTP(rw, r)
	}))
	t.Cleanup(front.Close)
	w.origin = front.URL
	w.db = w.connect()
	return w
}

func isQuestion(r *http.Request) bool {
	return r.URL.Path == "/v1/job_status" || strings.HasPrefix(r.URL.Path, "/v3/status/")
}

func (w *world) connect() *pgxpool.Pool {
	w.t.Helper()
	db, err := pgxpool.New(w.t.Context(), w.database)
	require.NoError(w.t, err)
	w.t.Cleanup(db.Close)
	return db
}

// An instance is one machine of the partner.
type instance struct {
	*service
	server *httptest.Server
}

// start starts one more instance.
func (w *world) start(configure ...func(*service)) *instance {
	w.t.Helper()
	i, err := startInstance(w.connect(), w.origin, configure...)
	require.NoError(w.t, err)
	w.t.Cleanup(func() {
		i.server.Close()
		i.queue.StopAndCancel(context.Background())
	})
	return i
}

func startInstance(db *pgxpool.Pool, origin string, configure ...func(*service)) (*instance, error) {
	server := httptest.NewUnstartedServer(nil)
	s, err := newService(db, credential, origin, "http://"+server.Listener.Addr().String()+"/callbacks", secret, writeDown)
	if err != nil {
		return nil, err
	}
	s.pace = testPace
	for _, c := range configure {
		c(s)
	}
	if err := s.start(context.Background()); err != nil {
		return nil, err
	}
	server.Config.Handler = s.handler()
	server.Start()
	return &instance{s, server}, nil
}

// writeDown stands for what you do with a decision.
func writeDown(ctx context.Context, tx pgx.Tx, id string, decision result.Outcome) error {
	_, err := tx.Exec(ctx, `INSERT INTO actions VALUES ($1, $2)`, id, decision.String())
	return err
}

// later is a deadline that does not matter to a test.
func later() time.Time { return time.Now().Add(time.Hour) }

// verify has i start a job of the stand-in, without callbacks.
func (w *world) verify(i *instance, version int, id string, deadline time.Time) verification {
	w.t.Helper()
	v := verification{id: id, userID: "user of " + id, version: version, deadline: deadline}
	require.NoError(w.t, i.verify(w.t.Context(), v, func(ctx context.Context, callbackURL string) (string, error) {
		v.smileJob = w.submit(ctx, i, v)
		return v.smileJob, nil
	}))
	return v
}

func (w *world) submit(ctx context.Context, i *instance, v verification) (smileJob string) {
	if v.version == 1 {
		answer := w.post(ctx, i, "/v1/async_id_verification", http.Header{"Content-Type": {"application/json"}}, fmt.Appendf(nil,
			`{"partner_id":"085","country":"NG","id_type":"NIN_V2","id_number":"00000000000","partner_params":{"user_id":%q,"job_id":%q,"job_type":5}}`, v.userID, v.id))
		return answer["smile_job_id"].(string)
	}
	token := w.post(ctx, i, "/v3/token", http.Header{}, nil)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	form.WriteField("full_name", "Testa Madeup")
	form.WriteField("countries", `["NG"]`)
	form.WriteField("callback_url", "https://example.com/nobody") // nothing is sent there: the tests send
	form.Close()
	answer := w.post(ctx, i, "/v3/aml", http.Header{"Content-Type": {form.FormDataContentType()}, "Smileid-Token": {token["token"].(string)}, "User-Id": {v.userID}}, body.Bytes())
	return answer["job_id"].(string)
}

func (w *world) post(ctx context.Context, i *instance, path string, header http.Header, body []byte) (answer map[string]any) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.origin+path, bytes.NewReader(body))
	require.NoError(w.t, err)
	request.Header = header
	client := http.Client{Transport: &smilesig.Transport{Signer: i.signer, Origins: []string{w.origin}}}
	response, err := client.Do(request)
	require.NoError(w.t, err)
	defer response.Body.Close()
	require.Less(w.t, response.StatusCode, 300)
	require.NoError(w.t, json.NewDecoder(response.Body).Decode(&answer))
	return answer
}

// conclude has Smile ID decide a job.
func (w *world) conclude(v verification, o smilesigtest.Outcome) {
	w.t.Helper()
	require.NoError(w.t, w.smileID.Conclude(v.smileJob, o))
}

// callback is what Smile ID would send. No two callbacks have the same pair.
func (w *world) callback(v verification, o smilesigtest.Outcome) smilesigtest.Callback {
	sent := smilesigtest.Job{ID: v.smileJob, UserID: v.userID, JobID: v.id, Product: "enhanced_kyc", Placement: smilesig.InBody}
	if v.version == 3 {
		sent.Product, sent.Placement = "one_time_aml", smilesig.InHeader
	}
	cb := sent.Callback(credential, o)
	cb.Time = w.begin.Add(time.Duration(-w.sent.Add(1)) * time.Millisecond)
	return cb
}

// send sends cb to the URL of a row and returns the status it gets.
func (w *world) send(i *instance, id string, cb smilesigtest.Callback) int {
	w.t.Helper()
	response, err := cb.Send(w.t.Context(), nil, i.urls.For(id))
	require.NoError(w.t, err)
	response.Body.Close()
	return response.StatusCode
}

// sendFinal sends one more callback that says that v is approved.
func (w *world) sendFinal(i *instance, v verification) {
	w.t.Helper()
	require.Equal(w.t, http.StatusOK, w.send(i, v.id, w.callback(v, smilesigtest.Approved)))
}

// answerBy has h answer the questions about jobs; nil is the stand-in.
func (w *world) answerBy(h http.HandlerFunc) {
	if h == nil {
		w.answer.Store(nil)
		return
	}
	w.answer.Store(&h)
}

// asked counts the questions about jobs.
func (w *world) asked() (n int) {
	for _, r := range w.smileID.Requests() {
		if r.Path == "/v1/job_status" || strings.HasPrefix(r.Path, "/v3/status/") {
			n++
		}
	}
	return n
}

func (w *world) eventually(query string, args ...any) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return w.is(query, args...) }, patient, 20*time.Millisecond, query)
}

// is returns what a query for a boolean says, and false while PostgreSQL is down.
func (w *world) is(query string, args ...any) (yes bool) {
	err := w.db.QueryRow(context.Background(), query, args...).Scan(&yes)
	return err == nil && yes
}

// requireDecided waits for a decision and for the end of the job in the queue. Then
// there is one action and nothing for a person.
func (w *world) requireDecided(v verification, decision string) {
	w.t.Helper()
	w.eventually(`SELECT decision = $2 AND decided_at IS NOT NULL FROM verifications WHERE id = $1`, v.id, decision)
	w.requireQuiet(v)
	require.True(w.t, w.is(`SELECT array_agg(decision) = ARRAY[$2] FROM actions WHERE verification = $1`, v.id, decision))
	require.True(w.t, w.is(`SELECT NOT EXISTS (SELECT FROM people WHERE verification = $1)`, v.id))
}

// requirePerson waits until a row is with a person, without a decision.
func (w *world) requirePerson(v verification, reason string) {
	w.t.Helper()
	w.eventually(`SELECT position($2 IN reason) > 0 FROM people WHERE verification = $1`, v.id, reason)
	w.requireQuiet(v)
	w.requireOpen(v)
}

func (w *world) requireOpen(v verification) {
	w.t.Helper()
	require.True(w.t, w.is(`SELECT decision IS NULL FROM verifications WHERE id = $1`, v.id))
	require.True(w.t, w.is(`SELECT NOT EXISTS (SELECT FROM actions WHERE verification = $1)`, v.id))
}

// requireQuiet waits until no job for v is in the queue.
func (w *world) requireQuiet(v verification) {
	w.t.Helper()
	w.eventually(`SELECT NOT EXISTS (SELECT FROM river_job WHERE args->>'id' = $1 AND finalized_at IS NULL)`, v.id)
}

// forBoth runs a test for v1 and for v3.
func forBoth(t *testing.T, test func(w *world, version int)) {
	for _, version := range []int{1, 3} {
		t.Run(fmt.Sprint("v", version), func(t *testing.T) {
			t.Parallel()
			test(newWorld(t), version)
		})
	}
}

// A hold keeps back Smile ID's answers to the questions about jobs.
type hold struct {
	answered chan struct{} // gets one when Smile ID has answered
	release  chan struct{} // lets one answer pass
}

func newHold() *hold { return &hold{make(chan struct{}), make(chan struct{})} }

func (h *hold) configure(s *service) {
	s.reader = &readback.Reader{Signer: s.signer, Origin: s.reader.Origin, Base: h}
}

func (h *hold) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if isQuestion(r) {
		h.answered <- struct{}{}
		<-h.release
	}
	return response, err
}
