package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"example.com/smilesig"
)

const sandbox = "https://testapi.smileidentity.com"

// live asks Smile ID's sandbox for the status of a job that does not exist, and
// prints whether it accepts our signature.
func live(out io.Writer, getenv func(string) string, base http.RoundTripper) error {
	credential := smilesig.Credential{PartnerID: getenv("SMILE_PARTNER_ID"), APIKey: getenv("SMILE_API_KEY")}
	signer, err := smilesig.NewSigner(credential)
	if err != nil {
		return fmt.Errorf("set SMILE_PARTNER_ID and SMILE_API_KEY: %w", err)
	}
	client := &http.Client{Transport: &smilesig.Transport{Signer: signer, Base: base}, Timeout: time.Minute}
	body, err := json.Marshal(map[string]any{
		"partner_id": credential.PartnerID, "user_id": "smilesig-quickstart", "job_id": "smilesig-quickstart",
	})
	if err != nil {
		return err
	}
	response, err := client.Post(sandbox+"/v1/job_status", "application/json", strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct{ Code string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("status %d, and no JSON: %w", response.StatusCode, err)
	}
	fmt.Fprintf(out, "%d  /v1/job_status of the sandbox, code %q\n", response.StatusCode, answer.Code)
	switch answer.Code {
	case "2204", "2205", "2405":
		return errors.New("the sandbox does not accept our signature")
	}
	return nil
}
