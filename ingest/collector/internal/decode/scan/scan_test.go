package scan

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/activitylog/activitylog/schema"
)

// skip reads a whole text with the scanner.
func skip(text string) (Flaw, error) {
	var s Scanner
	s.Reset([]byte(text))
	err := s.Skip(0)
	if err == nil {
		err = s.End()
	}
	f, _ := s.TakeFlaw()
	return f, err
}

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"k` + strings.Repeat("x", i) + `":1`)
	}
	return "{" + b.String()[1:] + "}"
}

func TestSkip(t *testing.T) {
	for _, c := range []struct {
		text string
		flaw Flaw
		ok   bool
	}{
		{` {"a": [1, -0.5e+3, true, false, null, "x\n\u00e9\ud83d\ude00"], "b": {}} `, Sound, true},
		{`""`, Sound, true},
		{nested(schema.MaxDepth), Sound, true},
		{nested(schema.MaxDepth + 1), Sound, false},
		{strings.Repeat("[", 10_000), Sound, false},
		{strings.Repeat(`{"a":`, 10_000), Sound, false},
		{manyKeys(schema.MaxKeys), Sound, true},
		{manyKeys(schema.MaxKeys + 1), ManyKeys, true},
		{`{"a":1,"a":2}`, Duplicate, true},
		{`{"a":1,"\u0061":2}`, Duplicate, true},
		{`{"a":{"a":1},"b":{"a":1}}`, Sound, true},
		{`[{"a":{"b":1,"b":1}}]`, Duplicate, true},
		{`"\u0000"`, NUL, true},
		{"\"\xff\"", BadUTF8, true},
		{"\"\\n\xff\"", BadUTF8, true},
		{"\"\xed\xa0\x80\"", BadUTF8, true},
		{`"\ud800"`, Surrogate, true},
		{`"\udc00"`, Surrogate, true},
		{`"\ud800\u0041"`, Surrogate, true},
		{`"\ud800\ud83d\ude00"`, Surrogate, true},
		{`"\ud800\u0000"`, NUL, true},
		{`["\ud800","\u0000"]`, NUL, true},
		{"[\"\\ud800\",\"\xff\"]", BadUTF8, true},
		{`{"a":"\ud800","a":1}`, Duplicate, true},
		{`{"\ud800":1,"\udc00":2}`, Duplicate, true}, // every reader makes the same key of both
		{`["\u0000","\ud800"]`, NUL, true},
		{`"\ud83d\`, Sound, false},
		{`"\ud83d\ude0"`, Sound, false},
		{"\"\x00\"", Sound, false},
		{"\"\n\"", Sound, false},
		{`"\x"`, Sound, false},
		{`"\u12g4"`, Sound, false},
		{`"\u12`, Sound, false},
		{`"abcdefghijklmnop`, Sound, false},
		{`"\`, Sound, false},
		{`01`, Sound, false},
		{`-`, Sound, false},
		{`1.`, Sound, false},
		{`1e`, Sound, false},
		{`+1`, Sound, false},
		{`.5`, Sound, false},
		{`tru`, Sound, false},
		{`nul`, Sound, false},
		{`{"a"}`, Sound, false},
		{`{"a":}`, Sound, false},
		{`{"a":1,}`, Sound, false},
		{`{a:1}`, Sound, false},
		{`{,}`, Sound, false},
		{`[1,]`, Sound, false},
		{`[1 2]`, Sound, false},
		{`{} {}`, Sound, false},
		{``, Sound, false},
		{`NaN`, Sound, false},
		{"\ufeff{}", Sound, false},
	} {
		flaw, err := skip(c.text)
		short := c.text[:min(len(c.text), 40)]
		if (err == nil) != c.ok || (c.ok && flaw != c.flaw) {
			t.Errorf("%s: flaw %d, error %v, want flaw %d, ok %v", short, flaw, err, c.flaw, c.ok)
		}
		if err != nil && !errors.Is(err, schema.ErrInvalid) {
			t.Errorf("%s: %v is not ErrInvalid", short, err)
		}
	}
}

func TestStringEveryLength(t *testing.T) {
	for _, special := range []string{"", `\n`, "é", `\ud83d\ude00`} {
		for before := range 20 {
			for after := range 20 {
				text := `"` + strings.Repeat("a", before) + special + strings.Repeat("b", after) + `"`
				var want string
				if err := json.Unmarshal([]byte(text), &want); err != nil {
					t.Fatal(err)
				}
				var s Scanner
				s.Reset([]byte(text + strings.Repeat(`"`, 9)))
				got, err := s.String()
				if err != nil || string(got) != want || s.Pos() != len(text) {
					t.Fatalf("%s: %q to %d, %v", text, got, s.Pos(), err)
				}
			}
		}
	}
}

func TestInteger(t *testing.T) {
	for _, c := range []struct {
		text   string
		n      int64
		ok     bool
		failed bool
	}{
		{"0", 0, true, false},
		{"-0", 0, true, false},
		{"1707725000", 1707725000, true, false},
		{"-12", -12, true, false},
		{"999999999999999999", 999999999999999999, true, false},
		{"9223372036854775808", 0, false, false},
		{"1.0", 0, false, false},
		{"1e3", 0, false, false},
		{"012", 0, false, true},
		{"-", 0, false, true},
		{"--1", 0, false, true},
	} {
		var s Scanner
		s.Reset([]byte(c.text))
		n, ok, err := s.Integer()
		if n != c.n || ok != c.ok || (err != nil) != c.failed {
			t.Errorf("%s: %d, %v, %v", c.text, n, ok, err)
		}
	}
}

// reference reads a text with encoding/json and adds the rules that encoding/json does not have.
type reference struct {
	dec    *json.Decoder
	flawed bool
	deep   bool
}

func (r *reference) value(depth int) error {
	tok, err := r.dec.Token()
	if err != nil {
		return err
	}
	switch tok := tok.(type) {
	case string:
		r.text(tok)
	case json.Delim:
		if depth == schema.MaxDepth {
			r.deep = true
			return nil
		}
		return r.members(tok, depth+1)
	}
	return nil
}

func (r *reference) text(s string) {
	r.flawed = r.flawed || strings.ContainsAny(s, "\x00\ufffd")
}

func (r *reference) members(open json.Delim, depth int) error {
	seen := map[string]bool{}
	for r.dec.More() {
		if open == '{' {
			tok, err := r.dec.Token()
			if err != nil {
				return err
			}
			key := tok.(string)
			r.text(key)
			r.flawed = r.flawed || seen[key]
			seen[key] = true
		}
		if err := r.value(depth); err != nil || r.deep {
			return err
		}
	}
	r.flawed = r.flawed || len(seen) > schema.MaxKeys
	_, err := r.dec.Token()
	return err
}

func FuzzSkip(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e3,true,null,"x\n\u00e9\ud83d\ude00"],"b":{"c":{}}}`, `{"a":1,"a":2}`, `"\u0000"`, `"\ud800x"`, "\"\xff\"", nested(40),
		`[[],{},"",0]`, `{"a\"b":"c\\"}`, `"\/\b\f\r\t"`, " \t\r\n1 ", `-0`, `1E-7`, `"\uDBFF\uDFFF"`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "\ufffd") || strings.Contains(strings.ToLower(text), `\ufffd`) {
			return // the reference cannot tell a written U+FFFD from one that stands for a fault
		}
		flaw, err := skip(text)
		ref := reference{dec: json.NewDecoder(strings.NewReader(text))}
		ref.dec.UseNumber()
		valid := json.Valid([]byte(text))
		if valid {
			if refErr := ref.value(0); refErr != nil && !errors.Is(refErr, io.EOF) {
				t.Fatalf("reference: %v", refErr)
			}
		}
		want := valid && !ref.deep && !ref.flawed && utf8.ValidString(text)
		if got := err == nil && flaw == Sound; got != want {
			t.Fatalf("%q: sound %v (flaw %d, %v), want %v", text, got, flaw, err, want)
		}
	})
}

func FuzzString(f *testing.F) {
	f.Add(`"plain"`)
	f.Add(`"a\u00e9\n\ud83d\ude00"`)
	f.Add(`"\ud800\ud83d\ude00\udc00\u0041\ud800"`)
	f.Fuzz(func(t *testing.T, text string) {
		var s Scanner
		s.Reset([]byte(text))
		if s.Peek() != '"' {
			return
		}
		got, err := s.String()
		if err == nil {
			err = s.End()
		}
		flaw, _ := s.TakeFlaw()
		var want string
		wantErr := json.Unmarshal([]byte(text), &want)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, want %v", text, err, wantErr)
		}
		if err == nil && flaw <= Surrogate && string(got) != want {
			t.Fatalf("%q: %q, want %q", text, got, want)
		}
	})
}

func BenchmarkSkip(b *testing.B) {
	text := []byte(`{"ip":"10.12.250.7","duration_ms":12345,"success":true}`)
	var s Scanner
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		s.Reset(text)
		if err := s.Skip(0); err != nil {
			b.Fatal(err)
		}
	}
}
