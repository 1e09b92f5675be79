package things

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

// TestTextJSV tests every case of quoting.
func TestTextJSV(t *testing.T) {
	for text, want := range map[string]string{
		"":              `""`,
		"a":             `a`,
		" a b\t":        " a b\t",
		"Größe 你好":      "Größe 你好",
		"it's; a=b/c\\": "it's; a=b/c\\",
		"null":          "null",
		"0":             "0",
		`"`:             `""""`,
		`say "a"`:       `"say ""a"""`,
		"a:b":           `"a:b"`,
		"a,b":           `"a,b"`,
		"{":             `"{"`,
		"}":             `"}"`,
		"[":             `"["`,
		"]":             `"]"`,
		"a\rb":          "\"a\rb\"",
		"a\nb":          "\"a\nb\"",
		"a\x01b":        "a\x01b",
	} {
		if got := string(appendJSV(nil, text)); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// example is the answer in the API's document, with the white space of its formatter.
const example = `{
	data:
	[
		{
			id: 00000000000000000000000000000000,
			timestamp: -62135596800000,
			actionInitiator: String,
			action:
			{
				0: String
			},
			actionTargetThing: String,
			actionTargetUser: String,
			organizationId: 00000000000000000000000000000000,
			actionTargetTask: String,
			actionTargetTaskList: String,
			information: String
		}
	],
	totalAvailableItems: 0,
	totalPages: 0
}`

func TestDocument(t *testing.T) {
	zeros := strings.Repeat("0", 32)
	v := view{
		id: zeros, timestamp: -62135596800000, initiator: "String", action: choice{0, "String"}, thing: "String", user: "String",
		organization: zeros, task: "String", taskList: "String", information: "String",
	}
	p := page{asked: asked{items: 10}, logs: []view{v}}
	want := regexp.MustCompile(`\s+`).ReplaceAllString(example, "")
	if got := string(appendJSV(nil, p.object())); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// reader is a minimal reader of JSV that checks that the output has only one reading.
type reader struct{ rest string }

var errJSV = errors.New("not JSV")

func (r *reader) eat(c byte) bool {
	if r.rest == "" || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// value reads one value: a map as alternating keys and values, a list, or a text.
func (r *reader) value() (any, error) {
	switch {
	case r.eat('{'):
		return r.items('}', true)
	case r.eat('['):
		return r.items(']', false)
	case r.eat('"'):
		return r.quoted()
	}
	end := strings.IndexAny(r.rest, ",:{}[]\"\r\n")
	if end < 0 {
		end = len(r.rest)
	}
	text := r.rest[:end]
	r.rest = r.rest[end:]
	return text, nil
}

func (r *reader) items(end byte, pairs bool) ([]any, error) {
	all := []any{}
	if r.eat(end) {
		return all, nil
	}
	for {
		for range map[bool]int{false: 1, true: 2}[pairs] {
			v, err := r.value()
			if err != nil {
				return nil, err
			}
			all = append(all, v)
			if pairs && len(all)%2 == 1 && !r.eat(':') {
				return nil, errJSV
			}
		}
		if r.eat(end) {
			return all, nil
		}
		if !r.eat(',') {
			return nil, errJSV
		}
	}
}

func (r *reader) quoted() (string, error) {
	var b strings.Builder
	for {
		text, rest, ok := strings.Cut(r.rest, `"`)
		if !ok {
			return "", errJSV
		}
		b.WriteString(text)
		r.rest = rest
		if !r.eat('"') {
			return b.String(), nil
		}
		b.WriteByte('"')
	}
}

// FuzzJSV checks that the reader returns what was written, whatever the texts contain.
func FuzzJSV(f *testing.F) {
	f.Add("post", "a,b", `"`, int64(0))
	f.Add("", "{a:[b]}", "x\r\ny", int64(-1))
	f.Add("]", `""`, "\x00\xff", int64(1<<53))
	f.Fuzz(func(t *testing.T, action, initiator, information string, code int64) {
		v := view{id: "1", timestamp: code, action: choice{code, action}, initiator: initiator, information: information}
		want := []any{}
		for _, m := range v.members().shown() {
			var value any
			switch x := m.value.(type) {
			case string:
				value = x
			case choice:
				value = []any{string(appendNumber(nil, x.code)), x.name}
			default:
				value = string(appendNumber(nil, x))
			}
			want = append(want, m.name, value)
		}
		r := reader{string(appendJSV(nil, list{items: []any{v.members().shown(), "end"}}))}
		got, err := r.value()
		if err != nil || r.rest != "" {
			t.Fatalf("%+v: %v, %q is left", v, err, r.rest)
		}
		if !same(got, []any{want, "end"}) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func same(a, b any) bool {
	x, many := a.([]any)
	y, _ := b.([]any)
	if !many {
		return a == b
	}
	for i := range x {
		if len(x) != len(y) || !same(x[i], y[i]) {
			return false
		}
	}
	return len(x) == len(y)
}
