package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"

	"example.com/smilesig"
	"example.com/smilesig/joburl"
	"example.com/smilesig/smilesigtest/standin"
)

// v3 is what the partner's server and app send to Smile ID's v3. Its requests are
// not signed. The same client sends them, so that no key or token leaves for
// another origin.
type v3 struct {
	credential smilesig.Credential
	smileID    *standin.Server
	client     *http.Client
	urls       *joburl.URLs
	token      string // from askForToken
}

// askForToken binds the job's callback URL into the token. Whoever gets the token,
// an app perhaps, can then neither see nor change the URL.
func (v *v3) askForToken() (status int, err error) {
	payload, err := json.Marshal(map[string]string{"callback_url": v.urls.For("job-3")})
	if err != nil {
		return 0, err
	}
	answer, status, err := v.post("/v3/token", map[string]string{"payload": string(payload)}, http.Header{
		"Smileid-Partner-Id": {"85"}, // 085 without its leading zero
		"Smileid-Api-Key":    {v.credential.APIKey},
	})
	v.token = answer.Token
	return status, err
}

func (v *v3) enhancedKYC() (status int, err error) {
	fields := map[string]string{"country": "NG", "id_type": "BVN", "id_number": "00000000000"}
	_, status, err = v.post("/v3/enhanced_kyc", fields, http.Header{"Smileid-Token": {v.token}})
	return status, err
}

// awaitWebhook returns the status that our callback server gave to Smile ID.
func (v *v3) awaitWebhook() (status int, err error) {
	v.smileID.Wait()
	deliveries := v.smileID.Deliveries()
	last := deliveries[len(deliveries)-1]
	if last.URL != v.urls.For("job-3") || len(last.Statuses) != 1 {
		return 0, fmt.Errorf("the webhook did not come to the job's URL, or was not acknowledged at once")
	}
	return last.Statuses[0], nil
}

type v3Answer struct {
	Token string `json:"token"`
}

func (v *v3) post(path string, fields map[string]string, header http.Header) (answer v3Answer, status int, err error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		if err := form.WriteField(name, value); err != nil {
			return v3Answer{}, 0, err
		}
	}
	if err := form.Close(); err != nil {
		return v3Answer{}, 0, err
	}
	req, err := http.NewRequest(http.MethodPost, v.smileID.URL+path, &body)
	if err != nil {
		return v3Answer{}, 0, err
	}
	req.Header = header
	req.Header.Set("Content-Type", form.FormDataContentType())
	response, err := v.client.Do(req)
	if err != nil {
		return v3Answer{}, 0, err
	}
	defer response.Body.Close()
	err = json.NewDecoder(response.Body).Decode(&answer)
	return answer, response.StatusCode, err
}
