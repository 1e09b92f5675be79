package decode

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"
)

// readAll returns the actions of a body's entries, "!" for a faulty one.
func readAll(r *Reader, text string, o Options) (actions []string, err error) {
	o.MaxEntries, o.ReceivedAt = 100, received
	r.Reset([]byte(text), o)
	for r.Next() {
		e, _, _, fault := r.Entry()
		if fault != nil {
			actions = append(actions, "!")
			continue
		}
		actions = append(actions, e.Action)
	}
	return actions, r.Err()
}

func TestByteOrderMark(t *testing.T) {
	const bom = "\ufeff"
	fleet := func(a string) string { return `{"action_type":"` + a + `"}` }
	audit := func(a string) string { return `{"action":"` + a + `"}` }
	for _, d := range []struct {
		reader func() *Reader
		entry  func(string) string
	}{{NewFleet, fleet}, {NewAudit, audit}} {
		a, b := d.entry("a"), d.entry("b")
		for _, c := range []struct {
			name, text string
			form       Form
			want       []string
			err        string
		}{
			{"one entry", bom + a, AnyJSON, []string{"a"}, ""},
			{"one entry after a line", bom + "\r\n" + a, AnyJSON, []string{"a"}, ""},
			{"an array", bom + "[" + a + "," + b + "]", AnyJSON, []string{"a", "b"}, ""},
			{"lines", bom + a + "\n" + b + "\n", Lines, []string{"a", "b"}, ""},
			{"joined files", bom + a + "\r\n" + bom + b + "\r\n", Lines, []string{"a", "b"}, ""},
			{"a mark on a line of its own", bom + "\n" + a, Lines, []string{"a"}, ""},
			{"a file that ends with a mark", a + "\n" + bom, Lines, []string{"a"}, ""},
			{"within a line", a + "\n" + b + bom + "\n", Lines, []string{"a", "!"}, ""},
			{"in a text", d.entry(bom), AnyJSON, []string{bom}, ""},
			{"nothing else", bom, AnyJSON, nil, "body: must hold an entry"},
			{"no lines", bom + "\n", Lines, nil, "body: must hold an entry"},
			{"twice", bom + bom + a, AnyJSON, nil, "malformed JSON at byte 3"},
			{"behind the entry", a + bom, AnyJSON, nil, "malformed JSON"},
			{"before an element", "[" + bom + a + "]", AnyJSON, nil, "malformed JSON at byte 1"},
			{"offsets count it", bom + "{x", AnyJSON, nil, "malformed JSON at byte 4"},
		} {
			got, err := readAll(d.reader(), c.text, Options{Form: c.form})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%s: got %v, want %s", c.name, err, c.err)
				}
				continue
			}
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s: got %q, %v, want %q", c.name, got, err, c.want)
			}
		}
	}
}

// encode16 is text in UTF-16.
func encode16(text string, bigEndian bool) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(text)) {
		high, low := byte(u>>8), byte(u)
		if bigEndian {
			high, low = low, high
		}
		b.WriteByte(low)
		b.WriteByte(high)
	}
	return b.String()
}

// What is not JSON at all is named: the caller has a setting to change, not an entry.
func TestForeignBodies(t *testing.T) {
	entry := `{"action_type":"a"}`
	for _, c := range []struct{ text, want string }{
		{encode16("\ufeff"+entry, false), "body: is UTF-16"},
		{encode16("\ufeff"+entry, true), "body: is UTF-16"},
		{encode16(entry, false), "body: is UTF-16"},
		{encode16(entry, true), "body: is UTF-16"},
		{encode16("[]", true), "body: is UTF-16"},
		{"\x1f\x8b\x08\x00rest", "body: is gzip"},
		{"\x28\xb5\x2f\xfdrest", "body: is zstd"},
		{"(x)", "malformed JSON at byte 0"},
		{"\x1fx", "malformed JSON at byte 0"},
		{"a=b", "malformed JSON at byte 0: a value expected; the body is a form, must be JSON"},
		{"action_type=login&serial=d-1", "malformed JSON at byte 0: a value expected; the body is a form"},
		{"name=x&n=1", "malformed JSON at byte 0: a value expected; the body is a form"},
		{"", "body: must hold an entry"},
		{"=", "malformed JSON at byte 0: a value expected"},
		{"{", "malformed JSON at byte 1"},
	} {
		for _, form := range []Form{AnyJSON, Lines} {
			got, err := readAll(NewFleet(), c.text, Options{Form: form})
			if form == Lines && strings.HasPrefix(c.want, "malformed") {
				if err != nil || !reflect.DeepEqual(got, []string{"!"}) {
					t.Errorf("%q as a line: got %q, %v, want a faulty entry", c.text, got, err)
				}
				continue
			}
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || len(got) > 0 {
				t.Errorf("%q: got %q, %v, want %s", c.text, got, err, c.want)
			}
		}
	}
	for _, text := range []string{`{}`, `[]`, " \n", "\ufeff{}", "", "1", "\x00\x00"} {
		if err := foreigner([]byte(text)); err != nil {
			t.Errorf("%q is taken for something else: %v", text, err)
		}
	}
}
