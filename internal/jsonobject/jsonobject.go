// Package jsonobject finds the top-level members of a JSON object in one pass
// that validates every byte of the object on the way, without recursion and
// without allocation.
//
// It exists because no JSON library keeps every byte, shows doubled keys and
// bounds depth all at once.
package jsonobject

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays may nest. The object itself is level 1.
const MaxDepth = 10_000

// A Member is one top-level member. Its slices point into the scanned text.
type Member struct {
	Name       []byte // as written, without its quotes
	Value      []byte // as written, white space around it excluded
	Comma      int    // offset of the comma before the member; -1 for the first
	Start, End int    // offsets of the member: its name's opening quote, the byte after its value
}

// Is reports whether the member's name, unescaped, is name, which must be ASCII.
func (m Member) Is(name string) bool {
	if len(m.Name) <= len(name) { // no escape in it: they are longer than what they stand for
		return string(m.Name) == name
	}
	rest := m.Name
	for i := range len(name) {
		var c rune
		c, rest = firstChar(rest)
		if c != rune(name[i]) {
			return false
		}
	}
	return len(rest) == 0
}

// Text returns the member's value unescaped, and whether it is a string at all.
func (m Member) Text() (string, bool) {
	if m.Value[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(m.Value, '\\') < 0 {
		return string(m.Value[1 : len(m.Value)-1]), true
	}
	var text string
	err := json.Unmarshal(m.Value, &text)
	return text, err == nil
}

// firstChar unescapes the first character of a valid string's content. It
// stands for what is not ASCII, and for the end, with a character that is in no
// name asked for.
func firstChar(text []byte) (c rune, rest []byte) {
	switch {
	case len(text) == 0:
		return utf8.RuneError, nil
	case text[0] >= utf8.RuneSelf:
		return utf8.RuneError, text[1:]
	case text[0] != '\\':
		return rune(text[0]), text[1:]
	case text[1] != 'u':
		return rune(unescaped[text[1]]), text[2:]
	}
	for _, digit := range text[2:6] {
		c = c<<4 | rune(hexValue(digit))
	}
	return c, text[6:]
}

// unescaped maps the letter of a two-character escape to what it stands for;
// 0 for a letter that makes no escape.
var unescaped = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// A SyntaxError says what is wrong with a text and at what offset. It quotes
// nothing of the text.
type SyntaxError struct {
	Problem string
	Offset  int
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s at offset %d", e.Problem, e.Offset)
}

// The problems of a SyntaxError.
const (
	ByteOrderMark = "byte-order mark"
	NotAnObject   = "not a JSON object"
	Truncated     = "truncated"
	Unexpected    = "unexpected character"
	InvalidUTF8   = "invalid UTF-8"
	TooDeep       = "nested deeper than 10,000"
	TrailingData  = "trailing data"
)

// Scan calls visit for each top-level member of the JSON object doc, in order.
// It returns a *SyntaxError unless all of doc is one valid JSON object in valid
// UTF-8; visit may have been called for some members by then.
func Scan(doc []byte, visit func(Member)) error {
	i := skipSpace(doc, 0)
	switch {
	case bytes.HasPrefix(doc, []byte("\ufeff")):
		return &SyntaxError{ByteOrderMark, 0}
	case i < len(doc) && doc[i] != '{':
		return &SyntaxError{NotAnObject, i}
	}
	i, problem := scanObject(doc, i, visit)
	if problem == "" {
		if i = skipSpace(doc, i); i < len(doc) {
			problem = TrailingData
		}
	}
	switch {
	case problem == "":
		return nil
	case i >= len(doc):
		return &SyntaxError{Truncated, len(doc)}
	}
	return &SyntaxError{problem, i}
}

// scanObject reads the object that starts at i. Like everything below, it
// returns the offset behind what it read and no problem, or a problem and its
// offset, which is beyond the end where the text is truncated.
func scanObject(doc []byte, i int, visit func(Member)) (int, string) {
	var (
		open    nesting
		member  = Member{Comma: -1}
		value   int // where the current member's value starts
		problem string
	)
	for {
		if open.inObject {
			start := i
			var end int
			if end, i, problem = skipName(doc, i); problem != "" {
				return i, problem
			}
			if open.depth == 1 {
				member.Start, member.Name, value = start, doc[start+1:end-1], i
			}
		}
		if c := at(doc, i); c == '{' || c == '[' {
			if open.depth == MaxDepth {
				return i, TooDeep
			}
			i = skipSpace(doc, i+1)
			if at(doc, i) != closing(c == '{') {
				open.push(c == '{')
				continue
			}
			i++
		} else if i, problem = skipScalar(doc, i); problem != "" {
			return i, problem
		}
		// A value is complete, and with it perhaps the containers around it.
		for {
			if open.depth == 0 {
				return i, ""
			}
			if open.depth == 1 {
				member.Value, member.End = doc[value:i], i
				visit(member)
			}
			i = skipSpace(doc, i)
			c := at(doc, i)
			if c == ',' {
				break
			}
			if c != closing(open.inObject) {
				return i, Unexpected
			}
			open.pop()
			i++
		}
		if open.depth == 1 {
			member.Comma = i
		}
		i = skipSpace(doc, i+1)
	}
}

// nesting is the stack of open containers, a bit each: the one at level n is an
// object if bit n is set.
type nesting struct {
	depth    uint
	inObject bool // whether the innermost is an object
	objects  [MaxDepth/64 + 1]uint64
}

func (n *nesting) push(object bool) {
	n.depth++
	n.inObject = object
	word, bit := &n.objects[n.depth/64], uint64(1)<<(n.depth%64)
	if object {
		*word |= bit
	} else {
		*word &^= bit
	}
}

func (n *nesting) pop() {
	n.depth--
	n.inObject = n.objects[n.depth/64]>>(n.depth%64)&1 == 1
}

func closing(object bool) byte {
	if object {
		return '}'
	}
	return ']'
}

// at is doc[i], or 0, which no JSON token starts with, beyond the end.
func at(doc []byte, i int) byte {
	if i < len(doc) {
		return doc[i]
	}
	return 0
}

func skipSpace(doc []byte, i int) int {
	for i < len(doc) && doc[i] <= ' ' && (doc[i] == ' ' || doc[i] == '\n' || doc[i] == '\r' || doc[i] == '\t') {
		i++
	}
	return i
}

// skipName reads a member's name, which ends at end, and the colon up to where
// its value starts.
func skipName(doc []byte, i int) (end, value int, problem string) {
	if at(doc, i) != '"' {
		return 0, i, Unexpected
	}
	if end, problem = skipString(doc, i); problem != "" {
		return 0, end, problem
	}
	if i = skipSpace(doc, end); at(doc, i) != ':' {
		return 0, i, Unexpected
	}
	return end, skipSpace(doc, i+1), ""
}

func skipScalar(doc []byte, i int) (int, string) {
	switch at(doc, i) {
	case '"':
		return skipString(doc, i)
	case 't':
		return skipLiteral(doc, i, "true")
	case 'f':
		return skipLiteral(doc, i, "false")
	case 'n':
		return skipLiteral(doc, i, "null")
	}
	return skipNumber(doc, i)
}

func skipLiteral(doc []byte, i int, literal string) (int, string) {
	for j := range len(literal) {
		if at(doc, i+j) != literal[j] {
			return i + j, Unexpected
		}
	}
	return i + len(literal), ""
}

func skipNumber(doc []byte, i int) (int, string) {
	if at(doc, i) == '-' {
		i++
	}
	end := skipDigits(doc, i)
	switch {
	case end == i:
		return i, Unexpected
	case doc[i] == '0':
		end = i + 1 // no digit may follow a leading zero
	}
	if at(doc, end) == '.' {
		i = end + 1
		if end = skipDigits(doc, i); end == i {
			return i, Unexpected
		}
	}
	if c := at(doc, end); c == 'e' || c == 'E' {
		i = end + 1
		if c := at(doc, i); c == '+' || c == '-' {
			i++
		}
		if end = skipDigits(doc, i); end == i {
			return i, Unexpected
		}
	}
	return end, ""
}

func skipDigits(doc []byte, i int) int {
	for i < len(doc) && '0' <= doc[i] && doc[i] <= '9' {
		i++
	}
	return i
}

// skipString reads the string whose opening quote is at start, several bytes at a
// time where none of them needs a look.
func skipString(doc []byte, start int) (int, string) {
	var seen uint64 // every byte that skipPlain has not: the high bits tell of text beyond ASCII
	plain := 0      // words with nothing to look at
	for i := start + 1; i < len(doc); {
		if len(doc)-i >= 8 {
			word := binary.LittleEndian.Uint64(doc[i:])
			seen |= word
			stops := marks(word) &^ word & highBits
			if stops == 0 {
				i += 8
				if plain++; plain%4 == 0 { // perhaps a long string
					i = skipPlain(doc, i)
				}
				continue
			}
			i += bits.TrailingZeros64(stops) / 8
		}
		switch c := doc[i]; {
		case c == '"':
			if content := doc[start+1 : i]; seen&highBits != 0 && !utf8.Valid(content) {
				return start + 1 + invalidUTF8(content), InvalidUTF8
			}
			return i + 1, ""
		case c == '\\':
			var problem string
			if i, problem = skipEscapes(doc, i); problem != "" {
				return i, problem
			}
		case c < ' ':
			return i, Unexpected
		default:
			seen |= uint64(c)
			i++
		}
	}
	return len(doc), Truncated
}

// skipPlain skips 32 bytes at a time, of a photo perhaps, as long as all are ASCII
// and there is nothing to look at.
func skipPlain(doc []byte, i int) int {
	for ; len(doc)-i >= 32; i += 32 {
		block := doc[i : i+32]
		a := binary.LittleEndian.Uint64(block)
		b := binary.LittleEndian.Uint64(block[8:])
		c := binary.LittleEndian.Uint64(block[16:])
		d := binary.LittleEndian.Uint64(block[24:])
		if (a|marks(a)|b|marks(b)|c|marks(c)|d|marks(d))&highBits != 0 {
			break
		}
	}
	return i
}

// skipEscapes reads one escape and those directly behind it.
func skipEscapes(doc []byte, i int) (int, string) {
	for at(doc, i) == '\\' {
		letter := at(doc, i+1)
		switch {
		case unescaped[letter] != 0:
			i += 2
		case letter != 'u':
			return i + 1, Unexpected
		default:
			for j := i + 2; j < i+6; j++ {
				if hexValue(at(doc, j)) > 15 {
					return j, Unexpected
				}
			}
			i += 6
		}
	}
	return i, ""
}

func hexValue(digit byte) byte {
	switch {
	case '0' <= digit && digit <= '9':
		return digit - '0'
	case 'a' <= digit && digit <= 'f':
		return digit - 'a' + 10
	case 'A' <= digit && digit <= 'F':
		return digit - 'A' + 10
	}
	return 255
}

const (
	lowBits  = 0x0101010101010101 // the lowest bit of each byte of a word
	highBits = 0x8080808080808080 // the highest
)

// marks sets the high bit of each byte of an ASCII word that is a quote, a
// backslash or a control character. Bytes above a marked one may be marked, too,
// and a byte that is not ASCII says nothing, but lets the others be.
func marks(word uint64) uint64 {
	quote := word ^ '"'*lowBits
	escape := word ^ '\\'*lowBits
	return (quote - lowBits) | (escape - lowBits) | (word - ' '*lowBits)
}

// invalidUTF8 returns the offset of the first byte of text that is not UTF-8.
func invalidUTF8(text []byte) int {
	for i := 0; ; {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
}
