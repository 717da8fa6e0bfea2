package main

import (
	"encoding/json"
	"net/http"

	"example.com/smilesig/joburl"
	"example.com/smilesig/smilesigtest/standin"
)

// v3 is what the partner's server and app send to Smile ID's v3. Its requests are
// not signed. The same client sends them: it puts the API key into the request for
// the token, and no key or token leaves for another origin.
type v3 struct {
	smileID *standin.Server
	client  *http.Client
	urls    *joburl.URLs
	token   string // from askForToken
}

// askForToken binds the job's callback URL into the token. Whoever gets the token,
// an app perhaps, can then neither see nor change the URL.
func (v *v3) askForToken() (status int, err error) {
	payload, err := json.Marshal(map[string]string{"callback_url": v.urls.For("job-3")})
	if err != nil {
		return 0, err
	}
	return v.post("/v3/token", map[string]string{"payload": string(payload)})
}

func (v *v3) enhancedKYC() (status int, err error) {
	return v.post("/v3/enhanced_kyc", map[string]string{"country": "NG", "id_type": "BVN", "id_number": "00000000000"})
}

// awaitWebhook returns the status that our callback server gave to Smile ID.
func (v *v3) awaitWebhook() (status int, err error) {
	return lastDelivery(v.smileID, v.urls.For("job-3"))
}

// post keeps the token, if the answer has one.
func (v *v3) post(path string, fields map[string]string) (status int, err error) {
	contentType, body, err := form(fields)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequest(http.MethodPost, v.smileID.URL+path, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", contentType)
	if v.token != "" {
		req.Header.Set("SmileID-Token", v.token)
	}
	response, err := v.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var answer struct {
		Token string `json:"token"`
	}
	err = json.NewDecoder(response.Body).Decode(&answer)
	v.token = answer.Token
	return response.StatusCode, err
}
