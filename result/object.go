package result

import (
	"regexp"
	"strconv"

	"example.com/smilesig/internal/jsonobject"
)

// An object has the members of a JSON object by their exact, unescaped names.
// encoding/json would also take a name in another case, and of several members the
// last, so that a forger could add a second verdict.
type object map[string]member

// A member is the first with its name. The zero member is absent.
type member struct {
	value []byte // as written
	count int    // how many members have the name
}

// read finds the members of doc. It returns an error unless doc is one JSON object.
func read(doc []byte) (object, error) {
	o := object{}
	err := jsonobject.Scan(doc, func(m jsonobject.Member) {
		quoted := doc[m.Start : m.Start+len(m.Name)+2]
		name, _ := jsonobject.Member{Value: quoted}.Text()
		first := o[string(name)]
		if first.count == 0 {
			first.value = m.Value
		}
		o[string(name)] = member{first.value, first.count + 1}
	})
	return o, err
}

// is reports whether m occurs once with this value.
func (m member) is(value string) bool { return m.count == 1 && string(m.value) == value }

// says reports whether m occurs once with this literal, or with its text.
func (m member) says(literal string) bool { return m.is(literal) || m.is(`"`+literal+`"`) }

// isAbsent counts null as absent.
func (m member) isAbsent() bool { return m.count == 0 || m.is("null") }

// text returns the unescaped text of m, and whether m occurs once with a text.
func (m member) text() (text string, isText bool) {
	if m.count != 1 {
		return "", false
	}
	unescaped, isText := jsonobject.Member{Value: m.value}.Text()
	return string(unescaped), isText
}

// object returns the members of m, none if m is absent. It is false if m is doubled
// or is something else.
func (m member) object() (o object, isReadable bool) {
	if m.count != 1 || m.value[0] != '{' {
		return nil, m.isAbsent()
	}
	o, _ = read(m.value) // it was read as a part of the body
	return o, true
}

var (
	numberForm  = regexp.MustCompile(`^[0-9]+$`)
	codeForm    = regexp.MustCompile(`^[0-9]{4}$`)
	jobTypeForm = regexp.MustCompile(`^[0-9]{1,2}$`)
)

// word returns a text, or a plain integer as written; "" for anything else.
func (m member) word() string {
	if m.count == 1 && numberForm.Match(m.value) {
		return string(m.value)
	}
	text, _ := m.text()
	return text
}

// code returns a text of four digits, or a plain integer with zeros in front; ""
// for anything else.
func (m member) code() string {
	code := m.word()
	if _, isText := m.text(); !isText && code != "" {
		code = "0000"[min(len(code), 4):] + code
	}
	return codeForm.FindString(code)
}

// jobType returns 0 for anything but one or two digits.
func (m member) jobType() int {
	jobType, _ := strconv.Atoi(jobTypeForm.FindString(m.word()))
	return jobType
}
