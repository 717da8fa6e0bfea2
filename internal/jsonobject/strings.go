package jsonobject

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// This file has what reads strings, which most bytes of a body are in.

// firstChar unescapes the first character of a valid string's content. For a
// character beyond ASCII, and at the end, it returns utf8.RuneError, which is in
// no name that Is looks for.
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

// unescaped maps the letter of a two-character escape to its character. Any other
// letter has 0.
var unescaped = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// skipRest reads the rest of a string, from where skipPlain stopped.
func skipRest(doc []byte, i int) (int, Problem) {
	var problem Problem
	for {
		switch c := at(doc, i); {
		case c == '"':
			return i + 1, fine
		case c == '\\':
			i, problem = skipEscapes(doc, i)
		case c >= utf8.RuneSelf:
			i, problem = skipNonASCII(doc, i)
		default:
			problem = Unexpected
		}
		if problem != fine {
			return i, problem
		}
		i = skipPlain(doc, i)
	}
}

// skipPlain returns the offset of the next character of a string that needs a look:
// a quote, a backslash, a control character, a byte beyond ASCII. It reads several
// bytes at a time. It calls nothing, and its callers look for the closing quote
// before they call skipRest, because most strings are short.
func skipPlain(doc []byte, i int) int {
	text, n := doc[i:], 0
	for ; n <= len(text)-8 && n < 32; n += 8 {
		if stops := marks(binary.LittleEndian.Uint64(text[n:n+8])) & highBits; stops != 0 {
			return i + n + bits.TrailingZeros64(stops)/8
		}
	}
	// A string as long as this may be a photo.
	for ; n <= len(text)-32; n += 32 {
		block := text[n : n+32]
		a := binary.LittleEndian.Uint64(block)
		b := binary.LittleEndian.Uint64(block[8:])
		c := binary.LittleEndian.Uint64(block[16:])
		d := binary.LittleEndian.Uint64(block[24:])
		if (marks(a)|marks(b)|marks(c)|marks(d))&highBits != 0 {
			break
		}
	}
	for n < len(text) && marks(uint64(text[n]))&0x80 == 0 {
		n++
	}
	return i + n
}

// skipEscapes reads one escape and those that follow it directly.
func skipEscapes(doc []byte, i int) (int, Problem) {
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
	return i, fine
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

// skipNonASCII reads one character beyond ASCII and those that follow it
// directly.
func skipNonASCII(doc []byte, i int) (int, Problem) {
	for at(doc, i) >= utf8.RuneSelf {
		r, size := utf8.DecodeRune(doc[i:])
		switch {
		case r != utf8.RuneError || size > 1: // U+FFFD may be written out
			i += size
		case utf8.FullRune(doc[i:]):
			return i, InvalidUTF8
		default:
			return len(doc), Truncated
		}
	}
	return i, fine
}

const (
	lowBits  = 0x0101010101010101 // the lowest bit of each byte of a word
	highBits = 0x8080808080808080 // the highest
)

// marks sets the high bit of each byte of word that needs a look: a quote, a
// backslash, a control character, a byte beyond ASCII. Only the lowest mark is
// exact, and the other bits mean nothing. One term finds quotes and control
// characters: in low, the quote is right above these.
func marks(word uint64) uint64 {
	low := word ^ ('"'^' ')*lowBits
	escape := word ^ '\\'*lowBits
	return (low - (' '+1)*lowBits) | (escape - lowBits) | word
}
