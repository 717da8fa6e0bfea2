package jsonobject

import "bytes"

// MaxMembers bounds the memory for an object of many small members. Those of Smile
// ID have fewer than a hundred.
const MaxMembers = 1_000

// An Object has the members of a JSON object by their exact, unescaped names.
// encoding/json would also take a name in another case, and of several members the
// last, so that two readers of one body could see different things.
type Object map[string]Value

// A Value is what an Object has under a name. The zero Value is absent.
type Value struct {
	Raw   []byte // of the last member with the name, as written
	Count int    // how many members have the name
}

// Read returns the members of doc, or the error of [Scan]. It returns nil, and no
// error, for an object of more than MaxMembers members.
func Read(doc []byte) (o Object, err error) {
	n := 0
	o = Object{}
	err = Scan(doc, func(m Member) {
		if n++; n > MaxMembers {
			o = nil
			return
		}
		name, _ := Member{Value: doc[m.Start : m.Start+len(m.Name)+2]}.Text()
		o[string(name)] = Value{Raw: m.Value, Count: o[string(name)].Count + 1}
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

// Word returns the text of v, or its digits if it is a plain integer. It returns ""
// for anything else.
func (v Value) Word() string {
	if v.Count == 1 && len(bytes.Trim(v.Raw, "0123456789")) == 0 {
		return string(v.Raw)
	}
	text, _ := v.Text()
	return text
}

// Object returns the members of v: none if v is absent. isReadable is false if v
// occurs several times, has more than MaxMembers members, or is neither an object
// nor null.
func (v Value) Object() (o Object, isReadable bool) {
	if v.Count != 1 || v.Raw[0] != '{' {
		return nil, v.IsAbsent()
	}
	o, _ = Read(v.Raw) // a part of what was read already
	return o, o != nil
}
