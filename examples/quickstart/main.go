// Quickstart shows everything that smilesig does, without an account: a partner's
// client and callback server, and a stand-in for Smile ID, talk over local sockets.
//
//	go run ./examples/quickstart
//
// It prints a line with the actual HTTP status for each step, and ends with exit
// status 1 if one is not as expected. With SMILE_PARTNER_ID and SMILE_API_KEY set
// to those of a sandbox, this sends one real request instead:
//
//	go run ./examples/quickstart -live
package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"

	"example.com/smilesig"
	"example.com/smilesig/smilesigtest/standin"
)

func main() {
	onLive := flag.Bool("live", false, "ask the sandbox for a job's status, with SMILE_PARTNER_ID and SMILE_API_KEY")
	flag.Parse()
	var err error
	if *onLive {
		err = live(os.Stdout, os.Getenv, http.DefaultTransport)
	} else {
		err = run(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run goes through all steps and prints what each got.
func run(out io.Writer) error {
	credential := smilesig.Credential{PartnerID: "085", APIKey: "made-up-key-of-a-partner"}
	smileID, err := standin.Start("127.0.0.1:0", credential)
	if err != nil {
		return err
	}
	defer smileID.Close()
	partner, err := startPartner(credential, smileID.URL)
	if err != nil {
		return err
	}
	defer partner.close()

	requests := requests{smileID: smileID, signing: partner.client, urls: partner.urls}
	v3 := v3{smileID: smileID, client: partner.client, urls: partner.urls}
	callbacks := callbacks{credential: credential, client: partner.server.Client(), urls: partner.urls}
	return play(out, []step{
		{200, "Basic KYC request, signed in its JSON: accepted", requests.basicKYC},
		{400, "the same request without the Transport, not signed: refused", requests.unsignedBasicKYC},
		{200, "biometric job: /v1/upload, signed in its JSON: accepted", requests.prepareUpload},
		{200, "biometric job: zip put to another origin, untouched: accepted", requests.putZip},
		{200, "biometric job: its signed callback came to its own URL: verified, decided", requests.awaitCallback},
		{200, "multipart selfie request, signed in its headers: accepted", requests.enrollSelfie},
		{200, "v3 token, with the job's callback URL bound into it: accepted", v3.askForToken},
		{202, "v3 enhanced KYC with that token, not signed: accepted", v3.enhancedKYC},
		{200, "v3 webhook, the pair in its headers, at the job's URL: verified, decided", v3.awaitWebhook},
		{401, "callback signed with another key: refused", callbacks.forged},
		{401, "callback signed yesterday: refused", callbacks.stale},
		{200, "callback delivered: verified, decided", callbacks.deliver},
		{200, "the same bytes delivered again, as after a lost answer: verified", callbacks.deliver},
		{503, "its genuine pair with another body: refused by the replay guard", callbacks.swapped},
		{404, "its genuine pair and body at a guessed URL of another job: refused", callbacks.atGuessedURL},
		{503, "its genuine pair and body at the true URL of another job: refused by the replay guard", callbacks.deliveredAtOtherURL},
		{409, "a new genuine callback at the true URL of another job: refused by our handler", callbacks.atOtherJobsURL},
		{202, "a provisional result: acknowledged, waits for the next one", callbacks.provisional},
		{202, "a result that nobody knows: acknowledged, waits for a person", callbacks.unknown},
	})
}

// A step is one line of the output.
type step struct {
	want int // HTTP status
	what string
	do   func() (status int, err error)
}

func play(out io.Writer, steps []step) error {
	for _, s := range steps {
		status, err := s.do()
		if err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		if status != s.want {
			return fmt.Errorf("%s: status %d, expected %d", s.what, status, s.want)
		}
		fmt.Fprintf(out, "%d  %s\n", status, s.what)
	}
	return nil
}
