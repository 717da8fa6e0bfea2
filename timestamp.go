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

// ParseTimestamp reads a timestamp in one of the texts that Smile ID and its
// official SDKs write, and in no other:
//
//   - date, T and time, then up to nine fraction digits behind a point, then Z,
//     ±hh:mm, ±hhmm or nothing, which is UTC: 2024-01-02T03:04:05.678Z
//   - date, a space and time, then " UTC" or " ±hhmm": 2024-01-02 03:04:05 +0000
//   - 10 digits, seconds since 1970, or 13 digits, milliseconds: 1704164645678
//
// The date must be one of the calendar and an offset at most 23:59. The result
// is in UTC. The error wraps [ErrMalformed] and does not quote the text.
//
// A signature covers the text of its timestamp: keep the text to confirm it,
// because a parsed time printed again may differ.
func ParseTimestamp(timestamp string) (time.Time, error) {
	t, ok := parseTimestamp(timestamp)
	if !ok {
		return time.Time{}, fmt.Errorf("%w: not a timestamp that Smile ID writes", ErrMalformed)
	}
	return t, nil
}

func parseTimestamp(text string) (time.Time, bool) {
	switch len(text) {
	case 10:
		n, ok := number(text)
		return time.Unix(n, 0).UTC(), ok
	case 13:
		n, ok := number(text)
		return time.UnixMilli(n).UTC(), ok
	}
	if len(text) < len(time.DateTime) {
		return time.Time{}, false
	}
	head, rest := text[:len(time.DateTime)], text[len(time.DateTime):]
	var offset, fraction time.Duration
	var ok bool
	layout := time.DateTime
	switch {
	case hasShape(head, "dddd-dd-ddTdd:dd:dd"):
		layout = "2006-01-02T15:04:05"
		if fraction, rest, ok = cutFraction(rest); ok {
			offset, ok = parseZone(rest)
		}
	case hasShape(head, "dddd-dd-dd dd:dd:dd"):
		offset, ok = parseSpacedZone(rest)
	}
	if !ok {
		return time.Time{}, false
	}
	t, err := time.Parse(layout, head)
	return t.Add(fraction - offset), err == nil
}

// cutFraction reads the fraction of a second that text starts with, if any.
func cutFraction(text string) (fraction time.Duration, rest string, ok bool) {
	if !strings.HasPrefix(text, ".") {
		return 0, text, true
	}
	rest = strings.TrimLeft(text[1:], "0123456789")
	digits := text[1 : len(text)-len(rest)]
	if digits == "" || len(digits) > len("123456789") {
		return 0, "", false
	}
	n, ok := number((digits + "00000000")[:len("123456789")])
	return time.Duration(n), rest, ok
}

func parseZone(text string) (offset time.Duration, ok bool) {
	if text == "" || text == "Z" {
		return 0, true
	}
	if hasShape(text, "±dd:dd") {
		text = text[:3] + text[4:]
	}
	return parseOffset(text)
}

func parseSpacedZone(text string) (offset time.Duration, ok bool) {
	text, ok = strings.CutPrefix(text, " ")
	if !ok || text == "UTC" {
		return 0, ok
	}
	return parseOffset(text)
}

// parseOffset reads ±hhmm.
func parseOffset(text string) (offset time.Duration, ok bool) {
	if !hasShape(text, "±dddd") {
		return 0, false
	}
	hours, _ := number(text[1:3])
	minutes, _ := number(text[3:])
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if text[0] == '-' {
		offset = -offset
	}
	return offset, hours < 24 && minutes < 60
}

// hasShape reports whether text is shape, with a digit for each d and a sign
// for ±.
func hasShape(text, shape string) bool {
	i := 0
	for _, want := range shape {
		if i == len(text) {
			return false
		}
		switch c := text[i]; want {
		case 'd':
			if c < '0' || c > '9' {
				return false
			}
		case '±':
			if c != '+' && c != '-' {
				return false
			}
		default:
			if rune(c) != want {
				return false
			}
		}
		i++
	}
	return i == len(text)
}

// number reads a text of digits only.
func number(text string) (n int64, ok bool) {
	u, err := strconv.ParseUint(text, 10, 63)
	return int64(u), err == nil
}
