package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// putZip goes through the same client, which leaves it alone.
func (q *requests) putZip() (status int, err error) {
	file, err := zipOfSelfies()
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequest(http.MethodPut, q.uploadURL, bytes.NewReader(file))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/zip")
	if status, err = statusOf(q.signing.Do(req)); err != nil {
		return 0, err
	}
	received := q.smileID.Requests()
	if !bytes.Equal(received[len(received)-1].Body, file) {
		return 0, errors.New("the zip has changed on its way")
	}
	return status, nil
}

func zipOfSelfies() ([]byte, error) {
	var file bytes.Buffer
	archive := zip.NewWriter(&file)
	info, err := archive.Create("info.json")
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(info, `{"images":[]}`); err != nil {
		return nil, err
	}
	err = archive.Close()
	return file.Bytes(), err
}

// awaitCallback returns the status that our callback server gave to Smile ID. One
// callback says that the ID exists, and the other has the result of the job.
func (q *requests) awaitCallback() (status int, err error) {
	q.smileID.Wait()
	deliveries := q.smileID.Deliveries()
	if len(deliveries) != 2 || len(deliveries[0].Statuses) != 1 || len(deliveries[1].Statuses) != 1 {
		return 0, fmt.Errorf("%d callbacks were sent, expected 2, acknowledged at once", len(deliveries))
	}
	return deliveries[1].Statuses[0], nil
}

func (q *requests) enrollSelfie() (status int, err error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	selfie, err := form.CreateFormFile("selfie_image", "selfie.jpg")
	if err != nil {
		return 0, err
	}
	if _, err := io.WriteString(selfie, "a photo"); err != nil {
		return 0, err
	}
	if err := form.Close(); err != nil {
		return 0, err
	}
	return statusOf(q.signing.Post(q.smileID.URL+"/v2/smart-selfie-enroll", form.FormDataContentType(), &body))
}

func statusOf(response *http.Response, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}
