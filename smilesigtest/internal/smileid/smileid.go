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

// A Product has a name in v1 and v2, another in v3, or none, and the job_type of v1
// and v2 [docs].
type Product struct {
	V1, V3  string
	JobType int
}

// Products has one product for each job_type before any other.
var Products = []Product{
	{"biometric_kyc", "biometric_kyc", 1},
	{"smartselfie_authentication", "smart_selfie_authentication", 2},
	{"smartselfie_enrollment", "smart_selfie_registration", 4},
	{"enhanced_kyc", "enhanced_kyc", 5},
	{"basic_kyc", "", 5},
	{"document_verification", "document_verification", 6},
	{"document_verification", "residency_document_verification", 6},
	{"business_verification", "", 7},
	{"aml_check", "one_time_aml", 10},
	{"enhanced_document_verification", "enhanced_document_verification", 11},
}

// JobType returns the job_type of a product by either name, or 0.
func JobType(product string) int {
	for _, p := range Products {
		if product != "" && (product == p.V1 || product == p.V3) {
			return p.JobType
		}
	}
	return 0
}

// HasIDHalf reports whether callbacks first tell of the ID of a job, and then of
// the face.
func HasIDHalf(product string, placement smilesig.Placement) bool {
	return product == "biometric_kyc" && placement != smilesig.InHeader
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
