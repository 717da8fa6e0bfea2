package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"example.com/smilesig"
	"example.com/smilesig/internal/localhost"
	"example.com/smilesig/result"
	"example.com/smilesig/smilesigtest"
	"example.com/smilesig/smilesigtest/standin"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// A page shows what the stand-in does. On it a person decides jobs and sends
// callbacks again. Its forms carry a token, so that no other site can post them.
type page struct {
	server    *standin.Server
	partnerID string
	hosts     []string // names that it answers to, besides this machine's own
	token     string
	ctx       context.Context // for what the buttons start

	mu      sync.Mutex
	version int           // counts what has happened
	changed chan struct{} // closed when version grows
}

func newPage(ctx context.Context, partnerID string, hosts []string) *page {
	return &page{ctx: ctx, partnerID: partnerID, hosts: hosts, token: rand.Text(), changed: make(chan struct{})}
}

// listen serves the page about standIn until ctx ends.
func (p *page) listen(addr string, standIn *standin.Server) (url string, err error) {
	p.server = standIn
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: p.handler(), ReadTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	context.AfterFunc(p.ctx, func() { server.Close() })
	go server.Serve(l)
	return "http://" + l.Addr().String(), nil
}

func (p *page) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.show)
	mux.HandleFunc("GET /events", p.events)
	mux.HandleFunc("POST /jobs/{id}/{outcome}", p.decide)
	mux.HandleFunc("POST /callbacks/{number}/{way}", p.send)
	const largestForm = 4 << 10
	return http.MaxBytesHandler(p.guarded(new(http.CrossOriginProtection).Handler(mux)), largestForm)
}

// guarded lets only this machine's own pages through, and their forms.
func (p *page) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !localhost.Has(r.Host, p.hosts...):
			http.Error(w, "another host", http.StatusMisdirectedRequest)
		case r.Method == http.MethodPost && subtle.ConstantTimeCompare([]byte(r.PostFormValue("token")), []byte(p.token)) != 1:
			http.Error(w, "the page is from before a restart: load it again", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// notify lets every open page load itself again.
func (p *page) notify() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.version++
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *page) state() (version int, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.version, p.changed
}

// events tells a page when there is a newer version, and then ends: the page loads
// again.
func (p *page) events(w http.ResponseWriter, r *http.Request) {
	version, changed := p.state()
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Time{}) // it may take long until something happens
	w.Header().Set("Content-Type", "text/event-stream")
	control.Flush()
	if strconv.Itoa(version) == r.FormValue("version") {
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
	fmt.Fprint(w, "data: changed\n\n")
}

// A button posts a form to a path that ends in To.
type button struct{ To, Label string }

var decisions = []button{{"approved", "approve"}, {"declined", "decline"}, {"provisional", "provisional"}, {"failed", "fail"}, {"id-validated", "ID half only"}}

func (p *page) decide(w http.ResponseWriter, r *http.Request) {
	o, err := parseOutcome(r.PathValue("outcome"))
	if err == nil {
		err = p.server.Conclude(r.PathValue("id"), o)
	}
	done(w, r, err)
}

// A way to send a callback has a button, too.
type way struct {
	To, Label string
	made      func(*page, smilesigtest.Callback) smilesigtest.Callback
}

var ways = []way{
	{"again", "again", func(_ *page, cb smilesigtest.Callback) smilesigtest.Callback { return cb }},
	{"stale", "stale", func(_ *page, cb smilesigtest.Callback) smilesigtest.Callback { return cb.Stale() }},
	{"swapped", "with another body", (*page).swapped},
}

func (p *page) send(w http.ResponseWriter, r *http.Request) {
	all := p.server.Deliveries()
	i := slices.IndexFunc(all, func(d standin.Delivery) bool { return strconv.Itoa(d.Number) == r.PathValue("number") })
	n := slices.IndexFunc(ways, func(w way) bool { return w.To == r.PathValue("way") })
	if i < 0 || n < 0 {
		done(w, r, errors.New("no such callback, or no such way to send it"))
		return
	}
	go p.server.Deliver(p.ctx, all[i].URL, ways[n].made(p, all[i].Callback)) // how it goes is on the page
	done(w, r, nil)
}

// done shows the page again.
func done(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		http.Error(w, text(err), http.StatusNotFound)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// swapped returns cb with another result of its job. If the job is not kept any
// more, the body is short.
func (p *page) swapped(cb smilesigtest.Callback) smilesigtest.Callback {
	j := smilesigtest.Job{Placement: cb.Placement}
	v1, _ := result.Parse(cb.Body)
	id := cmp.Or(cb.Header.Get("Job-ID"), v1.SmileJobID)
	jobs := p.server.Jobs()
	if i := slices.IndexFunc(jobs, func(j smilesigtest.Job) bool { return j.ID == id }); i >= 0 {
		j = jobs[i]
	}
	return cb.WithBody(another(j, cb.Body))
}

// These are what the template shows.
type (
	view struct {
		Version                      int
		Nonce, Token, URL, PartnerID string
		Jobs                         []smilesigtest.Job
		Callbacks                    []callbackView
		Requests                     []standin.Request // without their headers, which have secrets
		Decisions                    []button
		Ways                         []way
	}
	callbackView struct {
		standin.Delivery
		URL, Result, Placement, Signed, Body string
		Answers                              []answerView
	}
	answerView struct {
		Text   string
		IsGood bool
	}
)

func (p *page) show(w http.ResponseWriter, _ *http.Request) {
	version, _ := p.state() // before the rest, so that nothing is missed
	v := view{
		Version: version,
		Nonce:   rand.Text(), Token: p.token, URL: p.server.URL, PartnerID: p.partnerID,
		Jobs: p.server.Jobs(), Requests: p.server.Requests(), Decisions: decisions, Ways: ways,
	}
	for _, d := range p.server.Deliveries() {
		v.Callbacks = append(v.Callbacks, newCallbackView(d))
	}
	slices.Reverse(v.Jobs)
	slices.Reverse(v.Callbacks)
	slices.Reverse(v.Requests)
	var html bytes.Buffer
	if err := pageTemplate.Execute(&html, v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", fmt.Sprintf(
		"default-src 'none'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; style-src 'nonce-%[1]s'; script-src 'nonce-%[1]s'", v.Nonce))
	html.WriteTo(w)
}

func newCallbackView(d standin.Delivery) callbackView {
	v := callbackView{
		Delivery: d, URL: withoutSecrets(d.URL), Signed: d.Callback.Time.UTC().Format(time.DateTime) + " UTC",
		Placement: map[smilesig.Placement]string{smilesig.InBody: "body", smilesig.InHeader: "headers"}[d.Callback.Placement],
	}
	for i, status := range d.Statuses {
		a := answerView{fmt.Sprintf("%d %s", status, http.StatusText(status)), status/100 == 2}
		if status == 0 {
			a.Text = "no answer"
			if i == len(d.Statuses)-1 {
				a.Text = cause(d)
			}
		}
		v.Answers = append(v.Answers, a)
	}
	v.Result, v.Body = said(d.Callback.Body), shown(d.Callback.Body) // the pair is not in it yet
	return v
}

// shown returns at most some kilobytes of a body. It indents what is not deep,
// because each level makes every line longer.
func shown(body []byte) string {
	const longest, deepest = 4 << 10, 50
	if len(body) <= longest && bytes.Count(body, []byte("{"))+bytes.Count(body, []byte("[")) <= deepest {
		var indented bytes.Buffer
		json.Indent(&indented, body, "", "  ")
		body = indented.Bytes()
	}
	if len(body) > 2*longest {
		return string(body[:2*longest]) + " …"
	}
	return string(body)
}
