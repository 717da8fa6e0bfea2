package standin

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"example.com/smilesig/smilesigtest/internal/smileid"
)

// A link is a Smile Link: a page on which a person is verified. Its map does not
// change, because an answer may be reading it.
type link map[string]any

var uuid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func newUUID() string {
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // marks it as random
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newLink reads the link that a request asks for. v3's fields are published [spec].
// v1's are not checked.
func (c *call) newLink(ref string) (link, *reply) {
	if len(c.body) > largestParams {
		return nil, c.refused(http.StatusBadRequest, "the link is larger than the stand-in keeps")
	}
	l := link{"name": c.object.text("name")}
	for name, value := range c.form {
		l[name] = value
	}
	l["ref_id"], l["link"] = ref, "https://links.example.com/"+ref
	if !c.isV3() {
		return l, nil
	}
	var idTypes []map[string]string
	json.Unmarshal([]byte(c.form["id_types"]), &idTypes) // what cannot be read is missing
	l["id_types"], l["is_single_use"] = idTypes, c.form["is_single_use"] == "true"
	switch {
	case l["is_single_use"] == false:
		l["user_id"] = nil
	case c.form["user_id"] == "":
		l["user_id"] = smileid.NewTypeID("user")
	}
	return l, firstMissing(
		field{"id_types", len(idTypes) > 0}, field{"name", c.form["name"] != ""},
		field{"notice_privacy_policy_url", c.form["notice_privacy_policy_url"] != ""},
		field{"is_single_use", l["is_single_use"] == true || c.form["is_single_use"] == "false"},
	)
}

func (s *Server) createLink(c *call) *reply {
	l, refusal := c.newLink(newUUID())
	if refusal != nil {
		return refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	hasSameUser := func(other link) bool { return l["user_id"] != nil && l["user_id"] == other["user_id"] }
	if slices.ContainsFunc(s.links, hasSameUser) {
		return v3Refused(http.StatusConflict, "User ID is taken. Please provide a unique ID.")
	}
	s.links = newest(append(s.links, l), s.Keep)
	if c.isV3() {
		return accepted(http.StatusCreated, link{"link": l["link"], "ref_id": l["ref_id"], "user_id": l["user_id"], "message": "Smile Link created"})
	}
	return accepted(http.StatusOK, link{"link": l["link"], "ref_id": l["ref_id"]}) // [sdk]
}

// link answers GET, and v1's PUT, of one link.
func (s *Server) link(c *call) *reply {
	ref := c.segment(2)
	if c.isV3() && !uuid.MatchString(ref) {
		return v3Refused(http.StatusBadRequest, "refId must be a valid link id")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.links, func(l link) bool { return l["ref_id"] == ref })
	switch {
	case i < 0:
		return c.refused(http.StatusNotFound, "no such link")
	case c.Method != http.MethodPut:
		return accepted(http.StatusOK, s.links[i])
	}
	changed, refusal := c.newLink(ref)
	if refusal != nil {
		return refusal
	}
	s.links[i] = changed
	return accepted(http.StatusOK, link{"link": changed["link"], "ref_id": ref}) // [sdk]
}
