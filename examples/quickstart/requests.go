package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime/multipart"
	"net/http"
	"strings"

	"example.com/smilesig/joburl"
	"example.com/smilesig/smilesigtest/standin"
)

// requests is what the partner's client sends to Smile ID.
type requests struct {
	smileID   *standin.Server
	signing   *http.Client
	urls      *joburl.URLs
	uploadURL string // from prepareUpload
}

const basicKYC = `{"partner_id":"085","partner_params":{"user_id":"user-1","job_id":"job-1","job_type":5},` +
	`"country":"NG","id_type":"BVN","id_number":"00000000000"}`

func (q *requests) basicKYC() (status int, err error) {
	return statusOf(q.signing.Post(q.smileID.URL+"/v2/verify", "application/json", strings.NewReader(basicKYC)))
}

func (q *requests) unsignedBasicKYC() (status int, err error) {
	return statusOf(http.Post(q.smileID.URL+"/v2/verify", "application/json", strings.NewReader(basicKYC)))
}

// prepareUpload starts a biometric job. Its answer says where to put the zip.
func (q *requests) prepareUpload() (status int, err error) {
	body, err := json.Marshal(map[string]any{
		"smile_client_id": "085",
		"file_name":       "selfie.zip",
		"callback_url":    q.urls.For("job-2"),
		"partner_params":  map[string]any{"user_id": "user-2", "job_id": "job-2", "job_type": 1},
	})
	if err != nil {
		return 0, err
	}
	response, err := q.signing.Post(q.smileID.URL+"/v1/upload", "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var answer struct {
		UploadURL string `json:"upload_url"`
	}
	err = json.NewDecoder(response.Body).Decode(&answer)
	q.uploadURL = answer.UploadURL
	return response.StatusCode, err
}

// putZip goes through the same client, which leaves it alone. This one is empty; a
// partner's has the photos.
func (q *requests) putZip() (status int, err error) {
	file := "PK\x05\x06" + strings.Repeat("\x00", 18)
	req, err := http.NewRequest(http.MethodPut, q.uploadURL, strings.NewReader(file))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/zip")
	if status, err = statusOf(q.signing.Do(req)); err != nil {
		return 0, err
	}
	received := q.smileID.Requests()
	if string(received[len(received)-1].Body) != file {
		return 0, errors.New("the zip has changed on its way")
	}
	return status, nil
}

// awaitCallback returns the status that our callback server gave to Smile ID for the
// result of the job.
func (q *requests) awaitCallback() (status int, err error) {
	return lastDelivery(q.smileID, q.urls.For("job-2"))
}

func (q *requests) enrollSelfie() (status int, err error) {
	contentType, body, err := form(map[string]string{"selfie_image": "a photo"})
	if err != nil {
		return 0, err
	}
	return statusOf(q.signing.Post(q.smileID.URL+"/v2/smart-selfie-enroll", contentType, body))
}

func form(fields map[string]string) (contentType string, body *bytes.Buffer, err error) {
	body = new(bytes.Buffer)
	w := multipart.NewWriter(body)
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			return "", nil, err
		}
	}
	return w.FormDataContentType(), body, w.Close()
}

// lastDelivery waits for the callbacks under way, and returns the status that our
// callback server gave to the last one.
func lastDelivery(smileID *standin.Server, url string) (status int, err error) {
	smileID.Wait()
	deliveries := smileID.Deliveries()
	if len(deliveries) == 0 {
		return 0, errors.New("no callback was sent")
	}
	last := deliveries[len(deliveries)-1]
	if last.URL != url || len(last.Statuses) != 1 {
		return 0, errors.New("the callback did not come to the job's URL, or was not acknowledged at once")
	}
	return last.Statuses[0], nil
}

func statusOf(response *http.Response, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}
