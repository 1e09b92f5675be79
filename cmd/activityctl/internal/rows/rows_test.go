package rows

import (
	"bytes"
	"strings"
	"testing"
)

// documents are exports of three entries, cut after the second.
var documents = map[string][2]string{
	"ndjson": {
		"{\"id\":\"1\",\"createdAt\":\"t1\"}\n{\"id\":\"2\",\"createdAt\":\"t2\"}\n", "{\"id\":\"3\",\"createdAt\":\"t3\"}\n",
	},
	"json": {
		"[\n{\"id\":\"1\",\"createdAt\":\"t1\"},\n{\"id\":\"2\",\"createdAt\":\"t2\"}", ",\n{\"id\":\"3\",\"createdAt\":\"t3\"}\n]\n",
	},
	"csv": {
		"id,x,createdAt\n1,\"a\n,\"\"b\",t1\n2,\"c\n\",t2\n", "3,\"\n\n\",t3\n",
	},
}

// TestRowsCutAnywhere cuts a document at every byte. What was written, continued by the service after its last entry, must be the
// document again.
func TestRowsCutAnywhere(t *testing.T) {
	for format, d := range documents {
		text := d[0] + d[1]
		for cut := range len(text) {
			for _, step := range []int{1, 3, 1000} {
				var out bytes.Buffer
				r := &Writer{Out: &out, Format: format}
				for at := 0; at < cut; at += step {
					if _, err := r.Write([]byte(text[at:min(at+step, cut)])); err != nil {
						t.Fatal(err)
					}
				}
				r.Drop()
				checkCut(t, r, format, text, out.String())
			}
		}
	}
}

func checkCut(t *testing.T, r *Writer, format, text, written string) {
	t.Helper()
	after, err := r.After()
	if err != nil {
		t.Fatalf("%s cut to %q: %v", format, written, err)
	}
	if after == "" {
		if r.N != 0 {
			t.Errorf("%s cut to %q: %d entries, but nothing to resume after", format, written, r.N)
		}
		return
	}
	created, id, _ := strings.Cut(after, ",")
	if r.N < 1 || r.N > 3 || id != string(rune('0'+r.N)) || created != "t"+id {
		t.Errorf("%s cut to %q: %d entries, resumes after %s", format, written, r.N, after)
	}
	if !strings.HasPrefix(text, written) {
		t.Errorf("%s: %q is not a beginning of %q", format, written, text)
	}
	if r.N == 2 && written != documents[format][0] {
		t.Errorf("%s: got %q of two entries, want %q", format, written, documents[format][0])
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
}

func FuzzRows(f *testing.F) {
	for format, d := range documents {
		f.Add(format, []byte(d[0]+d[1]), 7)
	}
	f.Fuzz(func(t *testing.T, format string, text []byte, cut int) {
		var out bytes.Buffer
		r := &Writer{Out: &out, Format: format}
		cut = max(0, min(cut, len(text)))
		for _, p := range [][]byte{text[:cut], text[cut:]} {
			if n, err := r.Write(p); n != len(p) || err != nil {
				t.Fatal(n, err)
			}
		}
		if err := r.Flush(); err != nil || !bytes.Equal(out.Bytes(), text) {
			t.Errorf("got %q, want %q, %v", out.Bytes(), text, err)
		}
		_, _ = r.After()
	})
}
