package jsonobject

import "regexp"

// An Object has the members of a JSON object by their exact, unescaped names.
// encoding/json would also take a name in another case, and of several members the
// last, so that two readers of one body could see different things.
type Object map[string]Value

// A Value is what an Object has under a name. The zero Value is absent.
type Value struct {
	Raw   []byte // of the first member with the name, as written
	Count int    // how many members have the name
}

// Read returns the members of doc, or the error of [Scan].
func Read(doc []byte) (Object, error) {
	o := Object{}
	err := Scan(doc, func(m Member) {
		quoted := doc[m.Start : m.Start+len(m.Name)+2]
		name, _ := Member{Value: quoted}.Text()
		v := o[string(name)]
		if v.Count == 0 {
			v.Raw = m.Value
		}
		v.Count++
		o[string(name)] = v
	})
	return o, err
}

// Is reports whether v occurs once, as raw.
func (v Value) Is(raw string) bool { return v.Count == 1 && string(v.Raw) == raw }

// IsAbsent reports whether v does not occur, or once as null.
func (v Value) IsAbsent() bool { return v.Count == 0 || v.Is("null") }

// Text returns the unescaped text of v, and whether v occurs once and is a string.
func (v Value) Text() (text string, isText bool) {
	if v.Count != 1 {
		return "", false
	}
	unescaped, isText := Member{Value: v.Raw}.Text()
	return string(unescaped), isText
}

var plainInteger = regexp.MustCompile(`^[0-9]+$`)

// Word returns the text of v, or its digits if it is a plain integer. It returns ""
// for anything else.
func (v Value) Word() string {
	if v.Count == 1 && plainInteger.Match(v.Raw) {
		return string(v.Raw)
	}
	text, _ := v.Text()
	return text
}

// Object returns the members of v: none if v is absent. isReadable is false if v
// occurs several times, or is neither an object nor null.
func (v Value) Object() (o Object, isReadable bool) {
	if v.Count != 1 || v.Raw[0] != '{' {
		return nil, v.IsAbsent()
	}
	o, _ = Read(v.Raw) // a part of what was read already
	return o, true
}
