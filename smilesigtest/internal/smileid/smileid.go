// Package smileid has what the stand-in and the callbacks both know of Smile ID's
// names.
package smileid

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"

	"example.com/smilesig"
)

// JobTypes has the job_type of each product [docs].
var JobTypes = map[string]int{
	"biometric_kyc": 1, "smartselfie_authentication": 2, "smartselfie_enrollment": 4,
	"enhanced_kyc": 5, "basic_kyc": 5, "document_verification": 6, "business_verification": 7,
	"aml_check": 10, "enhanced_document_verification": 11,
}

// APIVersion goes into webhooks [docs].
const APIVersion = "v3.0.0-made-for-tests"

// NewJobID returns an ID that no job had, not even before a restart.
func NewJobID(placement smilesig.Placement) string {
	if placement == smilesig.InHeader {
		return NewTypeID("job")
	}
	n, _ := rand.Int(rand.Reader, big.NewInt(9e9)) // crypto/rand never fails
	return fmt.Sprint(1e9 + n.Int64())
}

// NewTypeID returns an ID as v3 writes them, in an alphabet without i, l, o and
// u.
func NewTypeID(prefix string) string {
	return prefix + "_0" + inTypeIDs.Replace(strings.ToLower(rand.Text()[:25]))
}

var inTypeIDs = strings.NewReplacer("i", "0", "l", "1", "o", "8", "u", "9")
