package vectors_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"hash/crc32"
	"slices"
	"strings"
	"unicode/utf8"
)

// The table of negative.json. In its texts $S and $T stand for the
// genuine pair of ours at genuineTime, $F for a signature of somebody else's.

const (
	genuineTime      = "2024-01-02T03:04:05.678Z"
	genuine          = `{"signature":"$S","timestamp":"$T"}`
	signatureHeader  = "Response-Signature"
	timestampHeader  = "Response-Timestamp"
	documentedLength = 1_500_000 // Smile ID's callbacks may be that long
	shortMaxBytes    = 1000
)

var (
	ours       = credential{PartnerID: "085", APIKey: "made-up-key-one"}
	theirs     = credential{PartnerID: "2343", APIKey: "made-up-key-two"}
	unpadded   = credential{PartnerID: "85", APIKey: ours.APIKey}
	base64Key  = credential{PartnerID: "086", APIKey: base64.StdEncoding.EncodeToString([]byte("made-up-key-three"))}
	hexKey     = credential{PartnerID: "087", APIKey: hex.EncodeToString([]byte("made-up-key-four"))}
	genuineSig = sign(ours, genuineTime)

	fill = strings.NewReplacer("$S", genuineSig, "$T", genuineTime, "$F", sign(theirs, genuineTime))
)

// statuses has the HTTP status of every outcome.
var statuses = map[string]int{
	"accepted": 200, "malformed": 400, "missing": 401, "signature": 401, "stale": 401, "future": 401,
	"too_large": 413, "encoded": 415, "replayed": 503,
}

func generateNegative() []negativeCase {
	return slices.Concat(
		group("genuine", genuineCases()),
		group("signature text", signatureTexts()),
		group("signed otherwise", signedOtherwise()),
		group("JSON", jsonShapes()),
		group("headers", headerRules()),
		group("timestamp text", timestampTexts()),
		group("age", ages()),
		group("encoding and size", encodingsAndSizes()),
		group("replay", replays()),
	)
}

func group(name string, cases []negativeCase) []negativeCase {
	for i := range cases {
		cases[i].Group = name
	}
	return cases
}

// row is a case with what most cases have; change makes it another.
func row(expected, name, why string, d delivery, change ...func(*negativeCase)) negativeCase {
	c := negativeCase{
		Name: name, Why: why, Credentials: []credential{ours}, Now: genuineTime, Settings: settings{900, 60, 4 << 20},
		delivery: d, Expected: expected, Status: statuses[expected],
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

func accepting(credentials ...credential) func(*negativeCase) {
	return func(c *negativeCase) { c.Credentials = credentials }
}
func clock(now string) func(*negativeCase) { return func(c *negativeCase) { c.Now = now } }
func after(before ...delivery) func(*negativeCase) {
	return func(c *negativeCase) { c.Before = before }
}
func limits(maxAge, maxSkew int, maxBytes int64) func(*negativeCase) {
	return func(c *negativeCase) { c.Settings = settings{maxAge, maxSkew, maxBytes} }
}

func inBody(template string) delivery { return inHeaders(template) }

func inHeaders(template string, namesAndValues ...string) delivery {
	d := delivery{Headers: [][2]string{}}
	for nv := range slices.Chunk(namesAndValues, 2) {
		d.Headers = append(d.Headers, [2]string{nv[0], fill.Replace(nv[1])})
	}
	if body := fill.Replace(template); utf8.ValidString(body) {
		d.Body = &body
	} else {
		d.BodyBase64 = []byte(body)
	}
	return d
}

func headerPairWith(template string) delivery {
	return inHeaders(template, signatureHeader, "$S", timestampHeader, "$T")
}

func repeated(before, unit string, times int, behind string) delivery {
	return delivery{Headers: [][2]string{}, BodyParts: []bodyPart{{fill.Replace(before), 1}, {unit, times}, {fill.Replace(behind), 1}}}
}

// nested has that many levels; the object is the first.
func nested(levels int) delivery {
	return delivery{Headers: [][2]string{}, BodyParts: []bodyPart{
		{fill.Replace(`{"signature":"$S","timestamp":"$T","a":`), 1}, {"[", levels - 1}, {"]", levels - 1}, {"}", 1},
	}}
}

// padded is a genuine body made length bytes long.
func padded(length int) delivery {
	return repeated(genuine, " ", length-len(fill.Replace(genuine)), "")
}

func pairOf(signature, timestamp string) delivery {
	quote := func(text string) string {
		quoted, _ := json.Marshal(text) // a string always has a JSON text
		return string(quoted)
	}
	return inBody(`{"signature":` + quote(signature) + `,"timestamp":` + quote(timestamp) + `}`)
}

func signed(timestamp string) delivery { return pairOf(sign(ours, timestamp), timestamp) }

func genuineCases() []negativeCase {
	const accepted = "accepted"
	return []negativeCase{
		row(accepted, "a genuine pair is in the body", "", inBody(genuine)),
		row(accepted, "a genuine pair is in the headers", "", headerPairWith(`{"status":"clear"}`)),
		row(accepted, "the header pair is genuine, the one in the body is not", "the headers are the only candidate", headerPairWith(`{"signature":"$F","timestamp":"$T"}`)),
		row(accepted, "the header names are in lower and upper case", "gateways and HTTP/2 change their case", inHeaders("{}", "response-signature", "$S", "RESPONSE-TIMESTAMP", "$T")),
		row(accepted, "the slashes of the signature are escaped as PHP does", "", inBody(`{"signature":"`+strings.ReplaceAll(genuineSig, "/", `\/`)+`","timestamp":"$T"}`)),
		row(accepted, "the keys are escaped", "", inBody(`{"\u0073ignature":"$S","timestam\u0070":"$T"}`)),
		row(accepted, "the pair comes last, amid white space", "", inBody("\r\n{ \"a\" : [ 1 ] ,\n\t\"timestamp\" : \"$T\" , \"signature\" : \"$S\" } \n")),
		row(accepted, "a forged pair is nested beside the genuine one", "only the top level counts", inBody(`{"a":{"signature":"$F"},"signature":"$S","timestamp":"$T","b":[{"timestamp":"x"}]}`)),
		row(accepted, "a capitalised forgery stands beside the genuine pair", "Signature is another key", inBody(`{"signature":"$S","Signature":"$F","timestamp":"$T"}`)),
		row(accepted, "another key is doubled, numbers are large and a surrogate is alone", "JSON all the same", inBody(`{"signature":"$S","a":1e400,"a":9007199254740993,"timestamp":"$T","b":"\ud800"}`)),
		row(accepted, "the body is nested 10,000 deep", "", nested(10_000)),
		row(accepted, "the second of two keys signed it", "keys are rotated", inBody(`{"signature":"$F","timestamp":"$T"}`), accepting(ours, theirs)),
		row(accepted, "the key looks like base64", "it is used as it stands", pairOf(sign(base64Key, genuineTime), genuineTime), accepting(base64Key)),
		row(accepted, "the key looks like hex", "it is used as it stands", pairOf(sign(hexKey, genuineTime), genuineTime), accepting(hexKey)),
		row(accepted, "Python wrote the timestamp", "", signed("2024-01-02T03:04:05.678901+00:00")),
		row(accepted, "old Python wrote the timestamp", "no zone is UTC", signed("2024-01-02T03:04:05.614879")),
		row(accepted, "Java wrote the timestamp", "", signed("2024-01-02T03:04:05.457385640Z")),
		row(accepted, "old PHP wrote the timestamp", "", signed("2024-01-02T03:04:05+0000")),
		row(accepted, "Ruby wrote the timestamp", "", signed("2024-01-02 03:04:05 +0000")),
		row(accepted, "Ruby wrote the timestamp in UTC", "", signed("2024-01-02 03:04:05 UTC")),
		row(accepted, "Android wrote the timestamp in milliseconds", "", signed("1704164645678")),
		row(accepted, "the timestamp is in seconds", "", signed("1704164645")),
		row(accepted, "the timestamp has another zone", "", signed("2024-01-02T08:34:05.678+05:30")),
	}
}

func signatureTexts() []negativeCase {
	raw, _ := base64.StdEncoding.DecodeString(genuineSig)
	refused := func(name, why, text string) negativeCase {
		return row("signature", name, why, pairOf(text, genuineTime))
	}
	const lenient, trims = "lenient base64 decoders skip it", "a trim before the comparison hides it"
	cases := []negativeCase{
		refused("the signature is empty", "a falsy check skips the comparison, or it throws", ""),
		refused("the signature lacks its padding", "lenient base64 decoders add it", strings.TrimRight(genuineSig, "=")),
		refused("the signature lacks its first character", "43 characters: some comparisons throw on unequal lengths", genuineSig[1:]),
		refused("the signature lacks its last three characters", "a comparison up to the shorter length takes it", genuineSig[:41]),
		refused("the signature has one character of padding more", "lenient base64 decoders stop at the first", genuineSig+"="),
		refused("the signature is there twice in a row", "a comparison up to the shorter length takes it", genuineSig+genuineSig),
		refused("the signature is in a list of two", "split at commas, as for Stripe's header", genuineSig+","+genuineSig),
		refused("the signature is URL-safe", "lenient base64 decoders take both alphabets", strings.NewReplacer("+", "-", "/", "_").Replace(genuineSig)),
		refused("the signature is percent-encoded", "unescaped once too often", strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(genuineSig)),
		refused("the signature has a space for its plus", "form decoding", strings.ReplaceAll(genuineSig, "+", " ")),
		refused("the signature is in hex", "compared after decoding either", hex.EncodeToString(raw)),
		refused("the signature is in upper-case hex", "compared after decoding either", strings.ToUpper(hex.EncodeToString(raw))),
		refused("the signature is encoded twice", "decoded until it fits", base64.StdEncoding.EncodeToString([]byte(genuineSig))),
		refused("the signature is in lower case", "compared regardless of case", strings.ToLower(genuineSig)),
		refused("the signature is in upper case", "compared regardless of case", strings.ToUpper(genuineSig)),
		refused("the signature has a scheme before it", "prefixes are cut off, as for GitHub's header", "sha256="+genuineSig),
		refused("the signature has quotes around it", "trimmed with the quotes", `"`+genuineSig+`"`),
		refused("the signature begins with another letter", "compared in part", "r"+genuineSig[1:]),
		refused("the signature ends with another letter", "compared in part", genuineSig[:41]+"J"+genuineSig[42:]),
		refused("the signature ends in a null byte", "C strings end there", genuineSig+"\x00"),
		refused("the signature is 44 null bytes", "compared with an uninitialised buffer", strings.Repeat("\x00", 44)),
		refused("the signature is 32 zero bytes in base64", "compared with an uninitialised buffer", base64.StdEncoding.EncodeToString(make([]byte, 32))),
		refused("the signature is 44 bytes that are not ASCII", "Python's compare_digest throws", strings.Repeat("é", 22)),
		refused("the signature is 44 characters, one not ASCII", "45 bytes: Node's timingSafeEqual throws", genuineSig[:42]+"é="),
		refused("the signature's padding is full-width", "Unicode normalisation makes it an =", genuineSig[:43]+"＝"),
		refused("the signature has a zero-width space", "invisible", genuineSig[:20]+"\u200b"+genuineSig[20:]),
		refused("the signature has a no-break space behind", trims, genuineSig+"\u00a0"),
		refused("the signature has a byte-order mark before it", trims, "\ufeff"+genuineSig),
		refused("the signature is the word null", "a missing value turned into text, on both sides", "null"),
		refused("the signature is the unkeyed hash of a documented sample", "anyone can compute it", fmt.Sprintf("%x", sha256.Sum256([]byte("1:"+genuineTime)))),
		row("signature", "the signature is 1 MB long", "decoded before it is measured", repeated(`{"timestamp":"$T","signature":"`, "A", 1<<20, `"}`)),
	}
	for _, last := range "xyz" {
		cases = append(cases, refused(fmt.Sprintf("the signature ends in %c=: other padding bits, the same bytes", last),
			"base64 decoders ignore these two bits, so a signature has four texts", genuineSig[:42]+string(last)+"="))
	}
	for _, space := range []struct{ name, text string }{{"line feed", "\n"}, {"carriage return and line feed", "\r\n"}, {"tab", "\t"}, {"space", " "}} {
		cases = append(cases,
			refused("the signature has a "+space.name+" before it", trims, space.text+genuineSig),
			refused("the signature has a "+space.name+" inside", lenient, genuineSig[:20]+space.text+genuineSig[20:]),
			refused("the signature has a "+space.name+" behind", trims, genuineSig+space.text))
	}
	return cases
}

func signedOtherwise() []negativeCase {
	mac := func(newHash func() hash.Hash, key, message string) string {
		h := hmac.New(newHash, []byte(key))
		h.Write([]byte(message))
		return base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	const id, end = "085", "sid_request"
	message := genuineTime + id + end
	unkeyed, prefixed := sha256.Sum256([]byte(message)), sha256.Sum256([]byte(ours.APIKey+message))
	raw, _ := base64.StdEncoding.DecodeString(genuineSig)
	refused := func(name, why, signature string, change ...func(*negativeCase)) negativeCase {
		return row("signature", name, why, pairOf(signature, genuineTime), change...)
	}
	sha := sha256.New
	ofMessage := func(name, why, message string) negativeCase {
		return refused(name, why, mac(sha, ours.APIKey, message))
	}
	ofTime := func(name, timestamp string) negativeCase {
		return refused(name, "the time is parsed and printed again before it is signed", sign(ours, timestamp))
	}
	return []negativeCase{
		refused("another partner signed it with its own key", "keys are looked up by what the sender says", sign(theirs, genuineTime)),
		refused("our key signed it for another partner ID", "the partner ID is taken from the body", sign(credential{PartnerID: theirs.PartnerID, APIKey: ours.APIKey}, genuineTime)),
		refused("another key signed it for our partner ID", "the key is not checked at all", sign(credential{PartnerID: id, APIKey: theirs.APIKey}, genuineTime)),
		refused("two partners' keys are swapped", "keys and partner IDs are looked up apart", sign(credential{PartnerID: id, APIKey: theirs.APIKey}, genuineTime), accepting(ours, theirs)),
		refused("it is signed for partner 85, we are 085", "partner IDs are parsed as numbers", sign(unpadded, genuineTime)),
		refused("it is signed for partner 085, we are 85", "partner IDs are padded", genuineSig, accepting(unpadded)),
		refused("it is signed with the key in upper case", "compared regardless of case", sign(credential{PartnerID: id, APIKey: strings.ToUpper(ours.APIKey)}, genuineTime)),
		refused("it is signed with the key and a line feed", "the key is read from a file", sign(credential{PartnerID: id, APIKey: ours.APIKey + "\n"}, genuineTime)),
		refused("it is signed with an empty key", "an unset key turns verification into nothing", sign(credential{PartnerID: id, APIKey: ""}, genuineTime)),
		refused("it is signed with the key decoded from base64", "keys that look like base64 are decoded", sign(credential{PartnerID: base64Key.PartnerID, APIKey: "made-up-key-three"}, genuineTime), accepting(base64Key)),
		refused("it is signed with the key decoded from hex", "keys that look like hex are decoded", sign(credential{PartnerID: hexKey.PartnerID, APIKey: "made-up-key-four"}, genuineTime), accepting(hexKey)),
		refused("key and message are swapped", "the arguments of an HMAC function are mixed up", mac(sha, message, ours.APIKey)),
		ofMessage("the message has the partner ID first", "the parts are mixed up", id+genuineTime+end),
		ofMessage("the message has sid_request first", "the parts are mixed up", end+genuineTime+id),
		ofMessage("the message lacks sid_request", "the constant is forgotten on both sides", genuineTime+id),
		ofMessage("the message lacks the partner ID", "partners share a key store", genuineTime+end),
		ofMessage("the message lacks the timestamp", "such a signature is good for ever", id+end),
		ofMessage("the message has colons between its parts", "other schemes have separators", genuineTime+":"+id+":"+end),
		ofMessage("the message is in lower case", "compared regardless of case", strings.ToLower(message)),
		ofMessage("the message ends in a line feed", "echo without -n", message+"\n"),
		ofMessage("the message is the body", "many other webhooks are signed so", `{"timestamp":"`+genuineTime+`"}`),
		ofMessage("the message is followed by the body", "many other webhooks are signed so", message+`{"timestamp":"`+genuineTime+`"}`),
		ofMessage("it is signed for the present, not for its timestamp", "the verifier signs now and compares", "2024-01-02T03:04:05.679Z"+id+end),
		ofTime("the same time with +00:00 is signed", "2024-01-02T03:04:05.678+00:00"),
		ofTime("the same time with six digits is signed", "2024-01-02T03:04:05.678000Z"),
		ofTime("the same time without a zone is signed", "2024-01-02T03:04:05.678"),
		ofTime("the same second without a fraction is signed", "2024-01-02T03:04:05Z"),
		ofTime("the same time in milliseconds is signed", "1704164645678"),
		refused("it is a hash without a key", "anyone can compute it", base64.StdEncoding.EncodeToString(unkeyed[:])),
		refused("it is a hash of key and message, no HMAC", "open to length extension", base64.StdEncoding.EncodeToString(prefixed[:])),
		refused("it is the HMAC's hex text in base64", "hexdigest, then base64: 88 characters", base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(raw)))),
		refused("it is an HMAC-SHA-1", "the algorithm is negotiable", mac(sha1.New, ours.APIKey, message)),
		refused("it is an HMAC-SHA-512", "the algorithm is negotiable", mac(sha512.New, ours.APIKey, message)),
		refused("it is an HMAC-SHA-512/256", "also 44 characters", mac(sha512.New512_256, ours.APIKey, message)),
	}
}

func jsonShapes() []negativeCase {
	const lastWins, folds, readsOn = "the last of two keys wins", "decoders fold the case of keys, and the last wins", "streaming decoders stop behind the first value"
	shape := func(expected string) func(name, why, template string) negativeCase {
		return func(name, why, template string) negativeCase { return row(expected, name, why, inBody(template)) }
	}
	missing, malformed, mismatch := shape("missing"), shape("malformed"), shape("signature")
	cases := []negativeCase{
		missing("the object is empty", "undefined equals undefined", `{}`),
		missing("there is no pair", "undefined equals undefined", `{"ResultCode":"1012"}`),
		missing("there is no signature", "a falsy check skips the comparison", `{"timestamp":"$T"}`),
		missing("there is no timestamp", "an absent timestamp is taken for the present", `{"signature":"$S"}`),
		missing("the pair is nested", "the pair is searched at every level", `{"a":`+genuine+`}`),
		missing("the pair is in an array", "the pair is searched at every level", `{"a":[`+genuine+`]}`),
		missing("the signature is nested, the timestamp is not", "the pair is searched at every level", `{"a":{"signature":"$S"},"timestamp":"$T"}`),
		missing("both keys are capitalised", "decoders fold the case of keys", `{"Signature":"$S","Timestamp":"$T"}`),
		missing("the signature's key is in upper case", "decoders fold the case of keys", `{"SIGNATURE":"$S","timestamp":"$T"}`),
		missing("the signature's key has a long s", "Unicode folding makes ſ an s", `{"ſignature":"$S","timestamp":"$T"}`),
		missing("the signature's key has a space behind", "keys are trimmed", `{"signature ":"$S","timestamp":"$T"}`),
		missing("the signature's key has a null byte behind", "C strings end there", `{"signature\u0000":"$S","timestamp":"$T"}`),
		mismatch("a capitalised genuine signature follows a forged one", folds, `{"signature":"$F","timestamp":"$T","Signature":"$S"}`),
		mismatch("an upper-case genuine timestamp follows a forged one", folds, `{"signature":"$S","timestamp":"2024-01-02T03:04:05.679Z","TIMESTAMP":"$T"}`),
		mismatch("the two values are swapped", "the comparison is symmetric", `{"signature":"$T","timestamp":"$S"}`),

		malformed("the signature is there twice, the same", "doubled keys go unseen", `{"signature":"$S","timestamp":"$T","signature":"$S"}`),
		malformed("the signature is there twice, the genuine one last", lastWins, `{"signature":"$F","timestamp":"$T","signature":"$S"}`),
		malformed("the signature is there twice, the genuine one first", "the first of two keys wins", `{"signature":"$S","timestamp":"$T","signature":"$F"}`),
		malformed("the signature is there twice, once as null", "null leaves the first value in a struct", `{"signature":"$S","timestamp":"$T","signature":null}`),
		malformed("the signature is there twice, once escaped", "doubled keys are searched before unescaping", `{"signature":"$F","timestamp":"$T","s\u0069gnature":"$S"}`),
		malformed("the timestamp is there twice, the same", "doubled keys go unseen", `{"timestamp":"$T","signature":"$S","timestamp":"$T"}`),
		malformed("the timestamp is there twice, the signed one last", lastWins, `{"timestamp":"2024-01-02T03:04:05.679Z","signature":"$S","timestamp":"$T"}`),
		malformed("the timestamp is there twice, once escaped", lastWins, `{"timestamp":"x","signature":"$S","\u0074imestamp":"$T"}`),
		malformed("the whole pair is there twice", lastWins, `{"signature":"$F","timestamp":"$T","signature":"$S","timestamp":"$T"}`),

		malformed("the body is empty", "the decoder throws, or gives an empty struct", ``),
		malformed("the body is white space", "the decoder throws, or gives an empty struct", " \n"),
		malformed("the body is null", "null decodes into an empty struct", `null`),
		malformed("the body is an array", "the first element is taken", `[`+genuine+`]`),
		malformed("the body is a string", "decoded twice", `"{\"signature\":\"$S\",\"timestamp\":\"$T\"}"`),
		malformed("the body is a number", "members of a number are undefined", `1`),
		malformed("the body is a form", "form parsers take it", `signature=$S&timestamp=$T`),
		malformed("the body lacks its closing brace", "lenient decoders close it", `{"signature":"$S","timestamp":"$T"`),
		malformed("the body ends inside a string", "lenient decoders close it", `{"signature":"$S","timestamp":"$T","a":"b`),
		malformed("a second object follows", readsOn, genuine+`{"ResultCode":"1012"}`),
		malformed("a second object follows on a line of its own", readsOn, genuine+"\n"+genuine),
		malformed("a word follows", readsOn, genuine+` x`),
		malformed("a closing brace too many follows", readsOn, genuine+`}`),
		malformed("a null byte follows", readsOn, genuine+"\x00"),
		malformed("invalid UTF-8 follows", readsOn, genuine+"\xff"),
		malformed("a byte-order mark precedes", "some decoders skip it, others do not: two readers differ", "\ufeff"+genuine),
		malformed("a guard against inclusion precedes", "skipped up to the first brace", `)]}',`+genuine),
		malformed("the body is UTF-16", "decoders guess the encoding", "\xff\xfe"+strings.Join(strings.Split(fill.Replace(genuine), ""), "\x00")+"\x00"),
		malformed("a value has invalid UTF-8", "decoders replace it, so two readers see two values", "{\"signature\":\"$S\",\"timestamp\":\"$T\",\"a\":\"\xff\"}"),
		malformed("a key has invalid UTF-8", "decoders replace it, so two readers see two keys", "{\"signature\":\"$S\",\"timestamp\":\"$T\",\"\xff\":1}"),
		malformed("a value has an overlong slash in UTF-8", "decoders replace it", "{\"signature\":\"$S\",\"timestamp\":\"$T\",\"a\":\"\xc0\xaf\"}"),
		malformed("a value has a surrogate in UTF-8", "decoders replace it", "{\"signature\":\"$S\",\"timestamp\":\"$T\",\"a\":\"\xed\xa0\x80\"}"),
		malformed("a raw line feed stands in the signature's text", "lenient decoders take it", "{\"signature\":\"$S\n\",\"timestamp\":\"$T\"}"),
		malformed("an escape is none of JSON's", "lenient decoders take it", `{"signature":"$S","timestamp":"$T","a":"\x41"}`),
		malformed("a comma trails", "lenient decoders take it", `{"signature":"$S","timestamp":"$T",}`),
		malformed("there is a comment", "lenient decoders take it", `{"signature":"$S",/* */"timestamp":"$T"}`),
		malformed("the quotes are single", "lenient decoders take it", `{'signature':'$S','timestamp':'$T'}`),
		malformed("a number is not one of JSON's", "lenient decoders take NaN", `{"signature":"$S","timestamp":"$T","a":NaN}`),
		malformed("a number has a leading zero", "lenient decoders take it", `{"signature":"$S","timestamp":"$T","a":01}`),
		row("malformed", "the body is nested 10,001 deep", "recursive decoders overflow their stack", nested(10_001)),
		row("malformed", "100,000 brackets open and none closes", "recursive decoders overflow their stack", repeated("", "[", 100_000, "")),
	}
	for _, value := range []struct{ name, text string }{{"null", "null"}, {"a number", "1704164645678"}, {"true", "true"}, {"an object", "{}"}, {"an array", `["$S"]`}} {
		const throws = "code that expects a string throws, answers 500 and is retried for ever"
		cases = append(cases,
			malformed("the signature is "+value.name, throws, `{"signature":`+value.text+`,"timestamp":"$T"}`),
			malformed("the timestamp is "+value.name, throws, `{"signature":"$S","timestamp":`+value.text+`}`))
	}
	return cases
}

func headerRules() []negativeCase {
	const fallsBack, joins, unparsed = "falls back to the body", "takes the first or the last, or joins them", "the pair is not in the body, so the body is not parsed"
	rule := func(expected, name, why string, namesAndValues ...string) negativeCase {
		return row(expected, name, why, inHeaders(genuine, namesAndValues...))
	}
	const s, ts = signatureHeader, timestampHeader
	return []negativeCase{
		rule("missing", "only the signature is in the headers, the body has a genuine pair", fallsBack, s, "$S"),
		rule("missing", "only the timestamp is in the headers, the body has a genuine pair", fallsBack, ts, "$T"),
		rule("missing", "only a lower-case timestamp header is there, the body has a genuine pair", fallsBack, "response-timestamp", "$T"),
		rule("signature", "the header pair is forged, the body has a genuine one", fallsBack, s, "$F", ts, "$T"),
		rule("signature", "both headers are empty, the body has a genuine pair", fallsBack, s, "", ts, ""),
		rule("signature", "the signature header is empty, the body has a genuine pair", fallsBack, s, "", ts, "$T"),
		rule("signature", "the timestamp header is empty, the body has a genuine pair", fallsBack, s, "$S", ts, ""),
		rule("signature", "the headers' values are swapped", "the comparison is symmetric", s, "$T", ts, "$S"),
		rule("signature", "the timestamp header is not the signed one", "takes the timestamp of the body", s, "$S", ts, "2024-01-02T03:04:05.679Z"),
		rule("stale", "the header pair is an hour old, the body's is fresh", "checks the age of the wrong one", s, sign(ours, "2024-01-02T02:04:05.678Z"), ts, "2024-01-02T02:04:05.678Z"),
		rule("malformed", "the signature header is there twice, the same", joins, s, "$S", s, "$S", ts, "$T"),
		rule("malformed", "the signature header is there twice, the genuine one first", joins, s, "$S", s, "$F", ts, "$T"),
		rule("malformed", "the signature header is there twice, the genuine one last", joins, s, "$F", ts, "$T", s, "$S"),
		rule("malformed", "the signature header is there twice, in two letter cases", joins, s, "$S", "response-signature", "$S", ts, "$T"),
		rule("malformed", "the timestamp header is there twice, the same", joins, s, "$S", ts, "$T", ts, "$T"),
		rule("malformed", "the timestamp header is there twice, another one last", joins, s, "$S", ts, "$T", ts, "2024-01-02T03:04:05.679Z"),
		rule("signature", "the signature header is a list of two", "splits at commas", s, "$S, $S", ts, "$T"),
		rule("signature", "the signature header lacks its padding", "lenient base64 decoders add it", s, strings.TrimRight(genuineSig, "="), ts, "$T"),
		rule("signature", "the signature header has a space inside", "lenient base64 decoders skip it", s, genuineSig[:20]+" "+genuineSig[20:], ts, "$T"),
		rule("signature", "the signature header has quotes", "trims them", s, `"$S"`, ts, "$T"),
		row("missing", "one half is in the headers, the other in the body", "collects the halves", inHeaders(`{"timestamp":"$T"}`, s, "$S")),
		row("missing", "the headers are those of requests", "one list of names for both directions", inHeaders("{}", "SmileID-Request-Signature", "$S", "SmileID-Timestamp", "$T")),
		row("missing", "the header names have underscores", "CGI makes both one variable", inHeaders("{}", "Response_Signature", "$S", "Response_Timestamp", "$T")),
		row("missing", "the header names have an X- before them", "a guess at other names", inHeaders("{}", "X-"+s, "$S", "X-"+ts, "$T")),
		row("malformed", "there is no pair in the headers and the body is no JSON", "the decoder throws and the sender sees 500", inBody("no JSON")),
		row("malformed", "a genuine pair is in the headers of a body that is no JSON", unparsed, headerPairWith("no JSON")),
		row("malformed", "a genuine pair is in the headers of an empty body", unparsed, headerPairWith("")),
		row("malformed", "a genuine pair is in the headers of an array", unparsed, headerPairWith("[]")),
		row("malformed", "a genuine pair is in the headers of a body in base64", "the genuine body is refused afterwards", headerPairWith(base64.StdEncoding.EncodeToString([]byte("{}")))),
		row("signature", "a forged pair is in the headers of a body that is no JSON", "parsed before it is verified", inHeaders("no JSON", signatureHeader, "$F", timestampHeader, "$T")),
	}
}

// timestampTexts are all confirmed: the key's holder has signed them.
func timestampTexts() []negativeCase {
	const noZone, rolls, parsesInt = "parsed in local time, or as UTC", "rolled over to the next day", "integer parsers take it"
	refused := func(name, why, text string, change ...func(*negativeCase)) negativeCase {
		return row("stale", "the timestamp "+name, why, signed(text), change...)
	}
	return []negativeCase{
		row("signature", "the timestamp is empty, though signed", "an empty timestamp is taken for the present", signed("")),
		refused("is a space", "trimmed to nothing, then the present", " "),
		refused("is the word now", "PHP's strtotime reads it as the present", "now"),
		refused("is the word null", "a missing value turned into text", "null"),
		refused("has a comma before its fraction", "Go's time.Parse takes it", "2024-01-02T03:04:05,678Z"),
		refused("has an hour of one digit", "Go's time.Parse takes it", "2024-01-02T3:04:05Z"),
		refused("has a month of one digit", "lenient parsers take it", "2024-1-02T03:04:05Z"),
		refused("has the offset +24:00", "Go's time.Parse takes it", "2024-01-03T03:04:05+24:00"),
		refused("has an offset of 60 minutes", "lenient parsers take it", "2024-01-02T04:04:05+00:60"),
		refused("has an offset of hours only", "ISO 8601 parsers take it", "2024-01-02T03:04:05+00"),
		refused("has two zones", "parsers stop at the first", "2024-01-02T03:04:05ZZ"),
		refused("has a point and no fraction", "lenient parsers take it", "2024-01-02T03:04:05.Z"),
		refused("has ten fraction digits", "parsers cut it to nine", "2024-01-02T03:04:05.6780000000Z"),
		refused("has lower-case letters", "RFC 3339 allows them, no SDK writes them", "2024-01-02t03:04:05z"),
		refused("is February 30th", rolls, "2024-02-30T03:04:05Z", clock("2024-03-01T03:04:05.000Z")),
		refused("is February 29th of another year", rolls, "2023-02-29T03:04:05Z", clock("2023-03-01T03:04:05.000Z")),
		refused("is day 0", "rolled back to the day before", "2024-01-00T03:04:05Z", clock("2023-12-31T03:04:05.000Z")),
		refused("is month 13", "rolled over to the next year", "2023-13-02T03:04:05Z"),
		refused("is 24 o'clock", rolls, "2024-01-01T24:00:00Z", clock("2024-01-02T00:00:00.000Z")),
		refused("is minute 60", "rolled over to the next hour", "2024-01-02T02:60:00Z", clock("2024-01-02T03:00:00.000Z")),
		refused("is second 60", "rolled over to the next minute", "2024-01-02T03:03:60Z"),
		refused("has no seconds", "ISO 8601 parsers take it", "2024-01-02T03:04Z"),
		refused("has no time", "date parsers read midnight", "2024-01-02", clock("2024-01-02T00:00:00.000Z")),
		refused("is a week date", "ISO 8601 parsers take it", "2024-W01-2T03:04:05Z"),
		refused("is in the basic format", "ISO 8601 parsers take it", "20240102T030405Z"),
		refused("has a year of five digits", "the first four are taken, or all", "02024-01-02T03:04:05Z"),
		refused("has a signed year", "ISO 8601 parsers take it", "+002024-01-02T03:04:05Z"),
		refused("has slashes", "lenient parsers take it", "2024/01/02 03:04:05"),
		refused("is an HTTP date", "lenient parsers take it", "Tue, 02 Jan 2024 03:04:05 GMT"),
		refused("has a space and no zone", noZone, "2024-01-02 03:04:05"),
		refused("has a space and a fraction", "no SDK writes it", "2024-01-02 03:04:05.678 UTC"),
		refused("has the zone GMT", "no SDK writes it", "2024-01-02 03:04:05 GMT"),
		refused("has a space before it", "trimmed", " "+genuineTime),
		refused("has a line feed behind", "$ in a regular expression matches before it", genuineTime+"\n"),
		refused("has a null byte behind", "C strings end there", genuineTime+"\x00"),
		refused("has a full-width digit", `\d matches it in Python and .NET`, "2024-01-02T０3:04:05Z"),
		refused("is full-width digits", "Python's int takes it", "１７０４１６４６４５"),
		refused("is seconds with a fraction", "float parsers take it", "1704164645.678"),
		refused("is seconds with an exponent", "float parsers take it", "1.704164645e9"),
		refused("is seconds in hex", "JavaScript's Number takes it", fmt.Sprintf("%#x", 1704164645)),
		refused("is seconds with an underscore", "Python's int takes it", "1_704164645"),
		refused("is seconds with a plus sign", parsesInt, "+1704164645"),
		refused("is seconds with a leading zero", parsesInt, "01704164645"),
		refused("is microseconds", "the unit is guessed", "1704164645678000"),
	}
}

func ages() []negativeCase {
	const accepted, stale, future, ignores = "accepted", "stale", "future", "the offset is ignored"
	aged := func(expected, name, why, text string, change ...func(*negativeCase)) negativeCase {
		return row(expected, name, why, signed(text), change...)
	}
	return []negativeCase{
		aged(accepted, "the pair is exactly as old as allowed", "", genuineTime, clock("2024-01-02T03:19:05.678Z")),
		aged(stale, "the pair is 1 ms older than allowed", "compared in seconds or minutes", genuineTime, clock("2024-01-02T03:19:05.679Z")),
		aged(stale, "the pair is 1 ns older than allowed", "cut to milliseconds", "2024-01-02T03:04:05.677999999Z", clock("2024-01-02T03:19:05.678Z")),
		aged(accepted, "the pair is exactly as far ahead as allowed", "", genuineTime, clock("2024-01-02T03:03:05.678Z")),
		aged(future, "the pair is 1 ms further ahead than allowed", "only old pairs are refused", genuineTime, clock("2024-01-02T03:03:05.677Z")),
		aged(future, "the pair is 1 ns further ahead than allowed", "cut to milliseconds", "2024-01-02T03:04:05.678000001Z", clock("2024-01-02T03:03:05.678Z")),
		aged(accepted, "the pair is as old as a setting of an hour allows", "", genuineTime, clock("2024-01-02T04:04:05.678Z"), limits(3600, 60, 4<<20)),
		aged(stale, "the pair is older than a setting of 10 s allows", "the setting is ignored", genuineTime, clock("2024-01-02T03:04:15.679Z"), limits(10, 60, 4<<20)),
		aged(future, "the pair is further ahead than a setting of 1 s allows", "the setting is ignored", genuineTime, clock("2024-01-02T03:04:04.677Z"), limits(900, 1, 4<<20)),
		aged(stale, "the pair is a day old to the second", "only the time of day is compared", genuineTime, clock("2024-01-03T03:04:05.678Z")),
		aged(stale, "the pair is from an old log", "no age check at all", "2021-08-12T17:57:00.614879"),
		aged(future, "the pair is an hour ahead", "the absolute difference or none is checked", "2024-01-02T04:04:05.678Z"),
		aged(future, "the pair is of the year 9999", "overflows a 64-bit count of nanoseconds", "9999-12-31T23:59:59Z"),
		aged(stale, "the pair is of the year 0", "overflows a 64-bit count of nanoseconds", "0000-01-01T00:00:00Z"),
		aged(stale, "the pair is five hours old, its offset hides it", ignores, "2024-01-02T03:04:05.678+05:00"),
		aged(future, "the pair is five hours ahead, its offset hides it", ignores, "2024-01-02T03:04:05-0500"),
		aged(stale, "the pair is five hours old, Ruby's offset hides it", ignores, "2024-01-02 03:04:05 +0500"),
		aged(stale, "the pair is five hours old in UTC, fresh in New York", "no zone is taken for local time", "2024-01-01T22:04:05"),
		aged(stale, "the pair is an hour old, in seconds", "the unit is guessed", "1704161045"),
		aged(future, "the pair is an hour ahead, in milliseconds", "the unit is guessed", "1704168245678"),
		aged(stale, "the pair is of second 0", "falsy, so taken for the present", "0000000000"),
		aged(future, "the pair is of the last millisecond with 13 digits", "only old pairs are refused", "9999999999999"),
		row("signature", "the pair is old and forged", "an age error for a forged pair tells strangers about the clock", inBody(`{"signature":"$F","timestamp":"$T"}`), clock("2024-01-02T04:04:05.678Z")),
		row(stale, "the header pair is 1 ms older than allowed", "only body pairs are checked", headerPairWith("{}"), clock("2024-01-02T03:19:05.679Z")),
		row(future, "the header pair is 1 ms further ahead than allowed", "only body pairs are checked", headerPairWith("{}"), clock("2024-01-02T03:03:05.677Z")),
	}
}

// gzipped is text in one stored block of RFC 1951. Versions of compress/gzip differ
// in what they write.
func gzipped(text string) string {
	zipped := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1}
	zipped = binary.LittleEndian.AppendUint16(zipped, uint16(len(text)))
	zipped = binary.LittleEndian.AppendUint16(zipped, ^uint16(len(text)))
	zipped = append(zipped, text...)
	zipped = binary.LittleEndian.AppendUint32(zipped, crc32.ChecksumIEEE([]byte(text)))
	zipped = binary.LittleEndian.AppendUint32(zipped, uint32(len(text)))
	return string(zipped)
}

func encodingsAndSizes() []negativeCase {
	const encoding, inflates, ignores = "Content-Encoding", "inflated: a bomb becomes gigabytes", "the header is ignored, so others read another body"
	overSigned := inHeaders("", signatureHeader, "$S", timestampHeader, "$T")
	overSigned.Body, overSigned.BodyParts = nil, []bodyPart{{" ", shortMaxBytes + 1}}
	return []negativeCase{
		row("accepted", "the encoding is identity", "", inHeaders(genuine, encoding, "identity")),
		row("encoded", "the body is gzipped", inflates, inHeaders(gzipped(fill.Replace(genuine)), encoding, "gzip")),
		row("encoded", "the encoding is gzip, the body is not", ignores, inHeaders(genuine, encoding, "gzip")),
		row("encoded", "the encoding is GZIP", ignores, inHeaders(genuine, encoding, "GZIP")),
		row("encoded", "the encoding's header is in lower case", ignores, inHeaders(genuine, "content-encoding", "gzip")),
		row("encoded", "the encoding is br", ignores, inHeaders(genuine, encoding, "br")),
		row("encoded", "the encoding is unknown", ignores, inHeaders(genuine, encoding, "x-unknown")),
		row("encoded", "the encoding is a list", ignores, inHeaders(genuine, encoding, "identity, gzip")),
		row("encoded", "the encoding is there twice", "only the first is read", inHeaders(genuine, encoding, "identity", encoding, "gzip")),
		row("encoded", "the encoding is gzip, the pair is in the headers", inflates, inHeaders("{}", encoding, "gzip", signatureHeader, "$S", timestampHeader, "$T")),
		row("encoded", "the encoding is gzip and the pair forged", "inflated before it is verified", inHeaders(`{"signature":"$F","timestamp":"$T"}`, encoding, "gzip")),

		row("accepted", "the body is as long as allowed", "", padded(shortMaxBytes), limits(900, 60, shortMaxBytes)),
		row("accepted", "the body is as long as Smile ID documents", "frameworks stop at 100 KB or 1 MB", padded(documentedLength)),
		row("too_large", "the body is a byte longer than allowed", "cut at the limit, it would still be JSON", padded(shortMaxBytes+1), limits(900, 60, shortMaxBytes)),
		row("too_large", "the body is a byte longer than 4 MiB", "read whole, of any length", padded(4<<20+1)),
		row("too_large", "the body is longer than allowed in bytes, not in characters", "characters are counted", repeated(`{"signature":"$S","timestamp":"$T","a":"`, "é", 450, `"}`), limits(900, 60, shortMaxBytes)),
		row("too_large", "the body of a genuine header pair is longer than allowed", "only body pairs are limited", overSigned, limits(900, 60, shortMaxBytes)),
		row("too_large", "the body is longer than allowed and no JSON", "parsed before it is measured", repeated("", "x", shortMaxBytes+1, ""), limits(900, 60, shortMaxBytes)),
	}
}

func replays() []negativeCase {
	const remembersNothing = "the pair does not cover the body, so it is good for any"
	first, second := `{"signature":"$S","timestamp":"$T","ResultCode":"1013"}`, `{"signature":"$S","timestamp":"$T","ResultCode":"1012"}`
	escaped := strings.Replace(fill.Replace(first), "=", `\u003d`, 1)
	return []negativeCase{
		row("accepted", "a delivery comes again", "refusing it loses what a crash left unfinished", inBody(first), after(inBody(first))),
		row("accepted", "a delivery comes a third time", "", inBody(first), after(inBody(first), inBody(first))),
		row("accepted", "the same pair and body move to the headers", "", headerPairWith(first), after(inBody(first))),
		row("accepted", "another pair comes with a body seen before", "bodies may be alike", inHeaders("{}", signatureHeader, sign(ours, "2024-01-02T03:04:05.677Z"), timestampHeader, "2024-01-02T03:04:05.677Z"), after(headerPairWith("{}"))),
		row("replayed", "a pair comes with another body", remembersNothing, inBody(second), after(inBody(first))),
		row("replayed", "a pair comes with the first body again and then with another", "forgets after a redelivery", inBody(second), after(inBody(first), inBody(first))),
		row("replayed", "a pair comes with a space more", "compares what is decoded", inBody(first+" "), after(inBody(first))),
		row("replayed", "a pair comes with its keys in another order", "compares what is decoded", inBody(`{"ResultCode":"1013","timestamp":"$T","signature":"$S"}`), after(inBody(first))),
		row("replayed", "a pair comes with its signature escaped", "knows pairs by their raw text", inBody(escaped), after(inBody(first))),
		row("replayed", "a header pair comes with another body", remembersNothing, headerPairWith(`{"status":"clear"}`), after(headerPairWith(`{"status":"flagged"}`))),
		row("replayed", "a header pair comes with an empty object", remembersNothing, headerPairWith("{}"), after(headerPairWith("{ }"))),
		row("replayed", "a pair moves from the body to the headers of another", "remembers each placement apart", headerPairWith("{}"), after(inBody(first))),
		row("replayed", "a pair moves from the headers into another body", "remembers each placement apart", inBody(first), after(headerPairWith("{}"))),
		row("replayed", "a pair comes with the second of two bodies, other pairs in between", "remembers the last pair only", inBody(second),
			after(inBody(first), signed("2024-01-02T03:04:05.677Z"), signed("2024-01-02T03:04:05.676Z"))),
	}
}
