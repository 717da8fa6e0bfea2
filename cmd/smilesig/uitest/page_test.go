package uitest

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig"
)

var screenshot = flag.String("screenshot", "", "write a screenshot of the page to this `file`")

var credential = smilesig.Credential{PartnerID: "085", APIKey: "made-up-key"}

// A newcomer has a service that verifies callbacks, smilesig serve, and its page
// in a browser.
type newcomer struct {
	t       *testing.T
	smileID string      // the origin of serve
	service string      // the URL of its callback handler
	seen    chan string // the ResultCode of each callback that its handler got
	refused chan string // the reason of each that the Verifier refused
	browser context.Context
}

func newNewcomer(t *testing.T) *newcomer {
	t.Helper()
	chromium := requireChromium(t)
	n := &newcomer{t: t, seen: make(chan string, 100), refused: make(chan string, 100)}
	n.startService()
	page := n.startServe()
	n.openBrowser(chromium, page)
	return n
}

func requireChromium(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil && os.Getenv("SMILESIG_REQUIRE_TOOLS") == "1" {
		t.Fatal("chromium is not installed")
	}
	if err != nil {
		t.Skip("chromium is not installed")
	}
	return path
}

func (n *newcomer) signer() *smilesig.Signer {
	signer, err := smilesig.NewSigner(credential)
	require.NoError(n.t, err)
	return signer
}

func (n *newcomer) startService() {
	verifier := &smilesig.Verifier{
		Signer: n.signer(), Guard: new(smilesig.MemoryGuard),
		OnReject: func(_ *http.Request, err error) int { n.refused <- smilesig.Reason(err); return 0 },
	}
	service := httptest.NewServer(verifier.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var result struct{ ResultCode string }
		json.Unmarshal(body, &result)
		n.seen <- result.ResultCode
	})))
	n.t.Cleanup(service.Close)
	n.service = service.URL + "/callbacks"
}

// startServe builds and runs the command as users do.
func (n *newcomer) startServe() (page string) {
	binary := filepath.Join(n.t.TempDir(), "smilesig")
	output, err := exec.Command("go", "build", "-o", binary, "example.com/smilesig/cmd/smilesig").CombinedOutput()
	require.NoError(n.t, err, string(output))
	serve := exec.CommandContext(n.t.Context(), binary, "serve", "-addr", "127.0.0.1:0", "-ui", "127.0.0.1:0", "-hold")
	serve.Env = append(os.Environ(), "SMILE_PARTNER_ID="+credential.PartnerID, "SMILE_API_KEY="+credential.APIKey)
	stdout, err := serve.StdoutPipe()
	require.NoError(n.t, err)
	require.NoError(n.t, serve.Start())
	n.t.Cleanup(func() { serve.Wait() }) // after its context has ended
	lines := bufio.NewScanner(stdout)
	require.True(n.t, lines.Scan())
	n.smileID = strings.TrimPrefix(lines.Text(), "listening on ")
	require.True(n.t, lines.Scan())
	page = strings.TrimPrefix(lines.Text(), "page on ")
	go io.Copy(io.Discard, stdout)
	return page
}

func (n *newcomer) openBrowser(chromium, page string) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(n.t.TempDir()), chromedp.WindowSize(1000, 1060),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	n.t.Cleanup(stop)
	browser, closeTab := chromedp.NewContext(allocator)
	n.t.Cleanup(closeTab)
	require.NoError(n.t, chromedp.Do(browser, chromedp.Navigate(page)))
	browser, cancel := context.WithTimeout(browser, time.Minute) // not of the browser, but of what it is asked
	n.t.Cleanup(cancel)
	n.browser = browser
}

// startJob lets the newcomer's client start a biometric job.
func (n *newcomer) startJob() {
	n.t.Helper()
	client := &http.Client{Transport: &smilesig.Transport{Signer: n.signer(), Origins: []string{n.smileID}}}
	body := `{"partner_id":"085","callback_url":"` + n.service + `","partner_params":{"user_id":"user-1","job_id":"job-1","job_type":1}}`
	response, err := client.Post(n.smileID+"/v1/async_id_verification", "application/json", strings.NewReader(body))
	require.NoError(n.t, err)
	response.Body.Close()
	require.Equal(n.t, http.StatusOK, response.StatusCode)
}

// click clicks the first button with a label, which is the newest row's.
func (n *newcomer) click(label string) {
	n.t.Helper()
	n.until(`(button => { button?.click(); return button != null })(
		[...document.querySelectorAll("button")].find(b => b.textContent == ` + quoted(label) + `))`)
}

// await waits until the page, by itself, shows a text.
func (n *newcomer) await(text string) {
	n.t.Helper()
	n.until(`document.readyState == "complete" && document.body.innerText.includes(` + quoted(text) + `)`)
}

// awaitAnswer waits until the page, by itself, shows what a callback was answered with.
func (n *newcomer) awaitAnswer(number int, text string) {
	n.t.Helper()
	n.until(fmt.Sprintf(`document.getElementById("callback-%d")?.innerText.includes(%s) ?? false`, number, quoted(text)))
}

// until waits until an expression is true.
func (n *newcomer) until(expression string) {
	n.t.Helper()
	for !evaluate[bool](n, expression) {
		time.Sleep(20 * time.Millisecond)
	}
}

// evaluate asks again if the page is just loading itself anew.
func evaluate[T any](n *newcomer, expression string) T {
	n.t.Helper()
	for {
		value, err := chromedp.Run(n.browser, chromedp.Evaluate[T](expression))
		if err == nil {
			return value
		}
		require.NoError(n.t, n.browser.Err(), expression)
		time.Sleep(20 * time.Millisecond)
	}
}

func quoted(text string) string {
	literal, _ := json.Marshal(text)
	return string(literal)
}

// Each callback that a service has to deal with is one click.
func TestEachCallbackIsOneClick(t *testing.T) {
	n := newNewcomer(t)
	n.await("None yet.")
	n.startJob()
	n.await("undecided")

	n.click("provisional")
	assert.Equal(t, "0814", <-n.seen)
	n.awaitAnswer(1, "200 OK")
	n.click("approve")
	assert.Equal(t, "1210", <-n.seen)
	n.awaitAnswer(2, "200 OK")
	n.click("decline")
	assert.Equal(t, "0811", <-n.seen)
	n.awaitAnswer(3, "200 OK")

	n.click("again")
	assert.Equal(t, "0811", <-n.seen, "the same bytes are accepted again")
	n.awaitAnswer(4, "200 OK")
	n.click("stale")
	assert.Equal(t, "stale", <-n.refused)
	n.awaitAnswer(5, "401 Unauthorized")
}

func TestAnotherBodyIsOneClick(t *testing.T) {
	n := newNewcomer(t)
	n.startJob()
	n.await("undecided")
	n.click("approve")
	assert.Equal(t, "1210", <-n.seen)
	n.awaitAnswer(1, "200 OK")
	n.click("with another body")
	assert.Equal(t, "replayed", <-n.refused)
	n.awaitAnswer(2, "503 Service Unavailable")
	assert.Empty(t, n.seen)

	n.await("the signature matches")
	assert.NotContains(t, evaluate[string](n, "document.documentElement.outerHTML"), credential.APIKey)
}

func TestScreenshot(t *testing.T) {
	if *screenshot == "" {
		t.Skip("-screenshot is not given")
	}
	n := newNewcomer(t)
	unsigned, err := http.Post(n.smileID+"/v1/job_status", "application/json", strings.NewReader(`{"partner_id":"085"}`))
	require.NoError(t, err)
	unsigned.Body.Close()
	n.startJob()
	n.await("undecided")
	n.click("provisional")
	n.awaitAnswer(1, "200 OK")
	n.click("approve")
	n.awaitAnswer(2, "200 OK")
	n.click("with another body")
	n.awaitAnswer(3, "503 Service Unavailable")
	n.startJob()
	n.await("undecided")
	png, err := chromedp.Run(n.browser, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(*screenshot, png, 0o644))
}
