// Package smileid has what the stand-in and the callbacks both know of Smile ID's
// names.
package smileid

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"math/big"

	"example.com/smilesig"
)

// JobTypes has the job_type [docs] of the products that have one, by their names in
// v1 and in v3.
var JobTypes = map[string]int{
	"biometric_kyc": 1, "smartselfie_authentication": 2, "smart_selfie_authentication": 2,
	"smartselfie_enrollment": 4, "smart_selfie_registration": 4, "enhanced_kyc": 5, "basic_kyc": 5,
	"document_verification": 6, "residency_document_verification": 6, "business_verification": 7,
	"aml_check": 10, "one_time_aml": 10, "enhanced_document_verification": 11,
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

// NewTypeID returns an ID as v3 writes them.
func NewTypeID(prefix string) string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return prefix + "_" + typeIDs.EncodeToString(b)
}

// The alphabet has no i, l, o and u [spec].
var typeIDs = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)
