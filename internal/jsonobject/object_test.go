package jsonobject_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/smilesig/internal/jsonobject"
)

func TestObject(t *testing.T) {
	o, err := jsonobject.Read([]byte(`{"text":"a\"b","t\u0065xt2":"","number":0123,"x":1}`))
	require.Error(t, err, "a leading zero")
	assert.NotContains(t, o, "x")

	o, err = jsonobject.Read([]byte(` {"text":"a\"b","t\u0065xt2":"","TEXT":"other","integer":123,"negative":-1,"fraction":1.0,
		"null":null,"nulls":null,"nulls":null,"twice":"a","tw\u0069ce":"b","object":{"a":"1","a":"2"},"objects":{},"objects":{},"array":[{}],"":"empty"}`))
	require.NoError(t, err)
	for _, v := range []struct {
		name              string
		word, text        string
		isText, isAbsent  bool
		isObject, isThere bool
	}{
		{name: "text", word: `a"b`, text: `a"b`, isText: true, isThere: true},
		{name: "text2", isText: true, isThere: true},
		{name: "", word: "empty", text: "empty", isText: true, isThere: true},
		{name: "integer", word: "123", isThere: true},
		{name: "negative", isThere: true},
		{name: "fraction", isThere: true},
		{name: "null", isAbsent: true, isObject: true, isThere: true},
		{name: "nulls", isThere: true},
		{name: "twice", isThere: true},
		{name: "object", isObject: true, isThere: true},
		{name: "objects", isThere: true},
		{name: "array", isThere: true},
		{name: "none", isAbsent: true, isObject: true},
	} {
		value := o[v.name]
		text, isText := value.Text()
		_, isObject := value.Object()
		assert.Equal(t, v.word, value.Word(), v.name)
		assert.Equal(t, v.text, text, v.name)
		assert.Equal(t, v.isText, isText, v.name)
		assert.Equal(t, v.isAbsent, value.IsAbsent(), v.name)
		assert.Equal(t, v.isObject, isObject, v.name)
		assert.Equal(t, v.isThere, value.Count > 0, v.name)
	}
	assert.Equal(t, jsonobject.Value{Raw: []byte(`"b"`), Count: 2}, o["twice"], "the last, and how many")
	assert.True(t, o["text2"].Is(`""`))
	assert.False(t, o["twice"].Is(`"a"`))
	inner, _ := o["object"].Object()
	assert.Equal(t, 2, inner["a"].Count)
}

func TestAnObjectOfTooManyMembers(t *testing.T) {
	for n, isRead := range map[int]bool{jsonobject.MaxMembers: true, jsonobject.MaxMembers + 1: false} {
		for _, same := range []bool{true, false} {
			members := strings.Builder{}
			for i := range n {
				fmt.Fprintf(&members, `,"%t%d":0`, same, i*map[bool]int{false: 1}[same])
			}
			object := `{` + members.String()[1:] + `}`
			o, err := jsonobject.Read([]byte(object))
			require.NoError(t, err)
			assert.Equal(t, isRead, o != nil, "%d, same: %t", n, same)
			_, isReadable := jsonobject.Value{Raw: []byte(object), Count: 1}.Object()
			assert.Equal(t, isRead, isReadable, "%d, same: %t", n, same)
			_, err = jsonobject.Read([]byte(object + "}"))
			require.Error(t, err)
		}
	}
}
