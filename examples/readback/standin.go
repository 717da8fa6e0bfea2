package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
)

// withResults is in front of smilesigtest's stand-in, whose answers of job_status
// have no result: it adds the one that Smile ID sends for a complete job. The
// answer's pair stays as it is, because it does not cover the body.
func withResults(standIn http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/job_status" {
			standIn.ServeHTTP(w, r)
			return
		}
		question, err := io.ReadAll(r.Body)
		if err != nil {
			return // nobody waits for an answer
		}
		r.Body = io.NopCloser(bytes.NewReader(question))
		recorder := httptest.NewRecorder()
		standIn.ServeHTTP(recorder, r)

		var asked, answer map[string]any
		json.Unmarshal(question, &asked) // what is no JSON, the stand-in refuses
		json.Unmarshal(recorder.Body.Bytes(), &answer)
		if answer["job_complete"] == true {
			answer["result"] = map[string]any{
				"ResultCode": "1210", "ResultText": "Enroll User", "IsFinalResult": "true",
				"PartnerParams": map[string]any{"user_id": asked["user_id"], "job_id": asked["job_id"], "job_type": 1},
			}
		}
		maps.Copy(w.Header(), recorder.Header())
		w.WriteHeader(recorder.Code)
		json.NewEncoder(w).Encode(answer) // fails only if nobody reads it
	})
}
