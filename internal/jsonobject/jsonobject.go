// Package jsonobject finds the top-level members of a JSON object in one pass
// that validates every byte of the object on the way.
//
// A JSON library can list the members as well, doubled ones included. This
// package does it without allocation and says at what offset each member and each
// fault is, so that its callers can copy the other bytes as they are. It limits
// how deep a body may nest. The oldest supported Go has no encoding/json/jsontext.
package jsonobject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/bits"
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

// Is reports whether the member's unescaped name is name. name must be ASCII.
func (m Member) Is(name string) bool {
	return string(m.Name) == name || len(m.Name) > len(name) && isEscaped(m.Name, name)
}

// isEscaped reports whether text, which is longer than name, unescapes to name.
func isEscaped(text []byte, name string) bool {
	for i := range len(name) {
		var c rune
		c, text = firstChar(text)
		if c != rune(name[i]) {
			return false
		}
	}
	return len(text) == 0
}

// Text returns the member's value unescaped, and whether it is a string at all.
func (m Member) Text() (text []byte, isString bool) {
	if m.Value[0] != '"' {
		return nil, false
	}
	if bytes.IndexByte(m.Value, '\\') < 0 {
		return m.Value[1 : len(m.Value)-1], true
	}
	var unescaped string
	err := json.Unmarshal(m.Value, &unescaped)
	return []byte(unescaped), err == nil
}

// A Problem is what can be wrong with a text. It is a byte, and not an error or a
// text, because each function below returns one for each token.
type Problem byte

const (
	fine Problem = iota
	ByteOrderMark
	NotAnObject
	Truncated
	Unexpected
	InvalidUTF8
	TooDeep
	TrailingData
)

func (p Problem) String() string {
	return [...]string{
		fine:          "fine",
		ByteOrderMark: "byte-order mark",
		NotAnObject:   "not a JSON object",
		Truncated:     "truncated",
		Unexpected:    "unexpected character",
		InvalidUTF8:   "invalid UTF-8",
		TooDeep:       "nested deeper than 10,000",
		TrailingData:  "trailing data",
	}[p]
}

// A SyntaxError says what is wrong with a text and at what offset. It quotes
// nothing of the text.
type SyntaxError struct {
	Problem Problem
	Offset  int
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%v at offset %d", e.Problem, e.Offset)
}

// Check returns the error of [Scan].
func Check(doc []byte) error { return Scan(doc, func(Member) {}) }

// Scan calls visit for each top-level member of the JSON object doc, in order. It
// returns a *SyntaxError unless all of doc is one valid JSON object in valid
// UTF-8. On error, visit may already have been called.
func Scan(doc []byte, visit func(Member)) error {
	i, c := next(doc, 0)
	switch {
	case bytes.HasPrefix(doc, []byte("\ufeff")):
		return &SyntaxError{ByteOrderMark, 0}
	case i < len(doc) && c != '{':
		return &SyntaxError{NotAnObject, i}
	}
	i, problem := scanMembers(doc, i, visit)
	if problem == fine {
		if i, _ = next(doc, i); i < len(doc) {
			problem = TrailingData
		}
	}
	switch {
	case problem == fine:
		return nil
	case i >= len(doc):
		return &SyntaxError{Truncated, len(doc)}
	}
	return &SyntaxError{problem, i}
}

// scanMembers reads the object that starts at i. Like the functions below, it
// returns the offset after what it read and no problem, or a problem and its
// offset. The offset is beyond the end if the text is truncated.
func scanMembers(doc []byte, i int, visit func(Member)) (int, Problem) {
	i, c := next(doc, i+1)
	if c == '}' {
		return i + 1, fine
	}
	comma := -1
	for {
		nameEnd, colon, problem := skipName(doc, i)
		if problem != fine {
			return colon, problem
		}
		value, _ := next(doc, colon+1)
		end, problem := skipValue(doc, value, 1)
		if problem != fine {
			return end, problem
		}
		visit(Member{Name: doc[i+1 : nameEnd-1], Value: doc[value:end], Comma: comma, Start: i, End: end})
		switch i, c = next(doc, end); c {
		case '}':
			return i + 1, fine
		case ',':
			comma = i
			i, _ = next(doc, i+1)
		default:
			return i, Unexpected
		}
	}
}

// skipName reads a member's name, which ends at end, and finds the colon after
// it.
func skipName(doc []byte, i int) (end, colon int, problem Problem) {
	i, c := next(doc, i)
	if c != '"' {
		return 0, i, Unexpected
	}
	if end = skipPlain(doc, i+1); at(doc, end) == '"' {
		end++
	} else if end, problem = skipRest(doc, end); problem != fine {
		return 0, end, problem
	}
	if i, c = next(doc, end); c != ':' {
		return 0, i, Unexpected
	}
	return end, i, fine
}

// skipValue reads the value that follows at i, inside depth containers. It keeps
// track of 62 more containers with one bit each, and calls itself for a value
// that is nested deeper. So its calls nest MaxDepth/62 deep at most.
func skipValue(doc []byte, i, depth int) (int, Problem) {
	const none = 0b10
	var (
		open    uint64 = none // the lowest bit is for the innermost container: 1 for an object
		c       byte
		problem Problem
	)
	for {
		if open&1 == 1 { // as in skipName, without the call
			if i, c = next(doc, i); c != '"' {
				return i, Unexpected
			}
			if i = skipPlain(doc, i+1); at(doc, i) == '"' {
				i++
			} else if i, problem = skipRest(doc, i); problem != fine {
				return i, problem
			}
			if i, c = next(doc, i); c != ':' {
				return i, Unexpected
			}
			i++
		}
		switch i, c = next(doc, i); c {
		case '"':
			if i = skipPlain(doc, i+1); at(doc, i) == '"' {
				i++
			} else {
				i, problem = skipRest(doc, i)
			}
		case '{', '[':
			levels := bits.Len64(open) - 2
			if depth+levels == MaxDepth {
				return i, TooDeep
			}
			if levels == 62 {
				i, problem = skipValue(doc, i, depth+levels)
				break
			}
			open <<= 1
			if c == '{' {
				open |= 1
			}
			if i, c = next(doc, i+1); c != closing(open) {
				continue
			}
			open >>= 1
			i++
		case 't':
			i, problem = skipLiteral(doc, i, "true")
		case 'f':
			i, problem = skipLiteral(doc, i, "false")
		case 'n':
			i, problem = skipLiteral(doc, i, "null")
		default:
			i, problem = skipNumber(doc, i)
		}
		if problem != fine {
			return i, problem
		}
		// A value is complete, and with it perhaps the containers around it.
		for {
			if open == none {
				return i, fine
			}
			if i, c = next(doc, i); c == ',' {
				break
			}
			if c != closing(open) {
				return i, Unexpected
			}
			open >>= 1
			i++
		}
		i++
	}
}

// closing is the bracket that closes the innermost container.
func closing(open uint64) byte { return "]}"[open&1] }

// next skips white space. It returns the offset of the next character, and that
// character. At the end of doc, the character is 0: no JSON token starts with it.
// The comparison as uint is the check of the slice's bounds at the same time.
func next(doc []byte, i int) (int, byte) {
	for ; uint(i) < uint(len(doc)); i++ {
		if c := doc[i]; c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return i, c
		}
	}
	return i, 0
}

// at is doc[i], or 0 beyond the end.
func at(doc []byte, i int) byte {
	if uint(i) < uint(len(doc)) {
		return doc[i]
	}
	return 0
}

func skipLiteral(doc []byte, i int, literal string) (int, Problem) {
	if end := i + len(literal); end <= len(doc) && string(doc[i:end]) == literal {
		return end, fine
	}
	for j := 0; at(doc, i) == literal[j]; j++ {
		i++
	}
	return i, Unexpected
}

func skipNumber(doc []byte, i int) (int, Problem) {
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
	c := at(doc, end)
	if c == '.' {
		i = end + 1
		if end = skipDigits(doc, i); end == i {
			return i, Unexpected
		}
		c = at(doc, end)
	}
	if c == 'e' || c == 'E' {
		i = end + 1
		if c = at(doc, i); c == '+' || c == '-' {
			i++
		}
		if end = skipDigits(doc, i); end == i {
			return i, Unexpected
		}
	}
	return end, fine
}

func skipDigits(doc []byte, i int) int {
	for uint(i) < uint(len(doc)) && '0' <= doc[i] && doc[i] <= '9' {
		i++
	}
	return i
}
