package smilesig

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// TimestampLayout is the layout of the timestamps that this package writes,
// always in UTC: RFC 3339 with exactly three fraction digits and a Z.
const TimestampLayout = "2006-01-02T15:04:05.000Z"

// currentTime reads a clock that may be nil.
func currentTime(clock func() time.Time) time.Time {
	if clock == nil {
		return time.Now()
	}
	return clock()
}

func formatTimestamp(t time.Time) string { return t.UTC().Format(TimestampLayout) }

// ParseTimestamp reads the timestamps that Smile ID and its official SDKs write:
//
//   - 2024-01-02T03:04:05.678Z: the fraction may have up to nine digits or be
//     absent; ±hh:mm, ±hhmm or nothing may replace the Z, and nothing means UTC
//   - 2024-01-02 03:04:05 UTC, or 2024-01-02 03:04:05 ±hhmm
//   - 1704164645 (seconds since 1970) or 1704164645678 (milliseconds)
//
// It refuses everything else, including impossible dates and offsets beyond
// 23:59. The result is in UTC. The error wraps [ErrMalformed] and
// does not quote the text.
//
// A signature covers the text of its timestamp. Keep that text, because a parsed
// time may be printed differently.
func ParseTimestamp(timestamp string) (time.Time, error) {
	t, ok := parseTimestamp(timestamp)
	if !ok {
		return time.Time{}, fmt.Errorf("%w: not a timestamp that Smile ID writes", ErrMalformed)
	}
	return t, nil
}

const longestTimestamp = len("2024-01-02T03:04:05.123456789+00:00")

// maxTimestampLen bounds the work that a hostile timestamp can cause. It is well
// above longestTimestamp.
const maxTimestampLen = 64

// timestampForms has the layout for each shape of a timestamp. In a shape, d is
// any digit and the fraction of the second is left out: [time.Parse] accepts one
// after the seconds of every layout.
var timestampForms = map[string]string{
	"dddd-dd-ddTdd:dd:ddZ":      time.RFC3339,
	"dddd-dd-ddTdd:dd:dd+dd:dd": time.RFC3339,
	"dddd-dd-ddTdd:dd:dd-dd:dd": time.RFC3339,
	"dddd-dd-ddTdd:dd:dd+dddd":  "2006-01-02T15:04:05-0700",
	"dddd-dd-ddTdd:dd:dd-dddd":  "2006-01-02T15:04:05-0700",
	"dddd-dd-ddTdd:dd:dd":       "2006-01-02T15:04:05",
	"dddd-dd-dd dd:dd:dd UTC":   "2006-01-02 15:04:05 UTC",
	"dddd-dd-dd dd:dd:dd +dddd": "2006-01-02 15:04:05 -0700",
	"dddd-dd-dd dd:dd:dd -dddd": "2006-01-02 15:04:05 -0700",
}

func parseTimestamp(text string) (time.Time, bool) {
	switch len(text) {
	case len("1704164645"):
		seconds, err := strconv.ParseUint(text, 10, 63)
		return time.Unix(int64(seconds), 0).UTC(), err == nil
	case len("1704164645678"):
		milliseconds, err := strconv.ParseUint(text, 10, 63)
		return time.UnixMilli(int64(milliseconds)).UTC(), err == nil
	}
	if len(text) > longestTimestamp {
		return time.Time{}, false
	}
	var room [longestTimestamp]byte
	layout, known := timestampForms[string(appendShape(room[:0], text))]
	if !known || !isOffsetInRange(text) {
		return time.Time{}, false
	}
	t, err := time.Parse(layout, text)
	return t.UTC(), err == nil
}

// appendShape appends text with a d for each digit. It leaves out the fraction of
// the second, if that has one to nine digits and the form has a T.
func appendShape(shape []byte, text string) []byte {
	const seconds = len("2024-01-02T03:04:05")
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case isDigit(c):
			shape = append(shape, 'd')
		case c == '.' && i == seconds && text[len("2024-01-02")] == 'T':
			fraction := text[i+1:]
			digits := len(fraction) - len(strings.TrimLeft(fraction, "0123456789"))
			if digits < 1 || digits > 9 {
				return nil
			}
			i += digits
		default:
			shape = append(shape, c)
		}
	}
	return shape
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isOffsetInRange reports whether the numeric offset at the end of text, if there
// is one, has at most 23 hours and 59 minutes. [time.Parse] accepts +24:60.
func isOffsetInRange(text string) bool {
	sign := max(strings.LastIndexByte(text, '+'), strings.LastIndexByte(text, '-'))
	if sign < len("2024-01-02") {
		return true
	}
	return text[sign+1:sign+3] <= "23" && text[len(text)-2:] <= "59"
}
