package collector

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// parseBody is what becomes of a body: the write with its items, and whether it was one object.
func parseBody(body []byte, shape form, maxEntries int) (*write, bool, error) {
	w := newWrite()
	w.reset("default", received, 3, 0)
	p := parser{d: new(fleetDecoder), w: w, keys: newTestKeys(), max: maxEntries}
	single, err := p.parse(body, shape)
	return w, single, err
}

func newTestKeys() *keys { return newKeys(10, time.Hour, newMetrics(prometheus.NewRegistry())) }

// FuzzLines holds that a body of lines comes to one item for each line that is not empty, good exactly if the line alone is.
func FuzzLines(f *testing.F) {
	for _, s := range []string{
		"{\"action_type\":\"a\"}\n{\"action_type\":\"b\",\"serial\":\"s\"}\n", "{\"action_type\":\"a\"}\r\n\r\n \t\n{}", "nonsense\n{\"action_type\":\"a\"} x\n[]",
		"{\"action_type\":\n\"a\"}", "{\"action_type\":\"a\",\"event_id\":\"e\"}\n{\"action_type\":\"a\",\"event_id\":\"e\"}\n{\"action_type\":\"b\",\"event_id\":\"e\"}",
		"\n\n", "\x00\n{\"action_type\":\"\\u000a\"}", strings.Repeat("{\"action_type\":\"a\"}\n", 9),
	} {
		f.Add(s)
	}
	const most = 8
	f.Fuzz(func(t *testing.T, body string) {
		want, bodies, known := []bool{}, []uint64{}, map[string]uint64{}
		for line := range strings.SplitSeq(body, "\n") {
			if strings.Trim(line, " \t\r") == "" {
				continue
			}
			d, err := decodeOne(line)
			good := err == nil
			if good && d.eventID != "" {
				hash := d.bodyHash()
				if first, ok := known[d.eventID]; ok {
					good = first == hash
				} else {
					known[strings.Clone(d.eventID)] = hash
				}
			}
			want, bodies = append(want, good), append(bodies, 0)
		}
		w, single, err := parseBody([]byte(body), lines, most)
		switch {
		case single:
			t.Fatalf("%q: read as one object", body)
		case len(bodies) == 0:
			if !errors.Is(err, errEmpty) {
				t.Fatalf("%q: got %v, want %v", body, err, errEmpty)
			}
			return
		case len(bodies) > most:
			if !errors.Is(err, schema.ErrTooLarge) {
				t.Fatalf("%q: got %v, want too large", body, err)
			}
			return
		case err != nil || len(w.items) != len(want):
			t.Fatalf("%q: got %d items, %v, want %d", body, len(w.items), err, len(want))
		}
		for i, good := range want {
			if got := w.items[i].err == nil; got != good {
				t.Fatalf("%q: item %d is good: %v (%v), want %v", body, i, got, w.items[i].err, good)
			}
		}
		checkChunks(t, w)
	})
}

// FuzzArray holds that what is taken for JSON is JSON, with as many items as it has elements.
func FuzzArray(f *testing.F) {
	for _, s := range []string{
		`[{"action_type":"a"},{"action_type":"b"}]`, `[]`, ` [ ] `, `{"action_type":"a"}`, `[{"action_type":"a"},]`, `[1,null,"x",[{}],{"action_type":"a"}]`,
		`[{"action_type":"a"}] []`, `[{"action_type":"a"}`, "[{\"action_type\":\"\xff\"}]", `{"action_type":"a"} {"action_type":"b"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w, single, err := parseBody([]byte(body), anyJSON, 1000)
		if err != nil {
			if kind := api.Status(err); kind >= 500 {
				t.Fatalf("%q: %v is the server's fault", body, err)
			}
			return
		}
		want := 1
		if !single {
			var elements []json.RawMessage
			if err := json.Unmarshal([]byte(body), &elements); err != nil {
				t.Fatalf("%q was taken, but %v", body, err)
			}
			want = len(elements)
		} else if !json.Valid([]byte(body)) {
			t.Fatalf("%q was taken for JSON", body)
		}
		if len(w.items) != want {
			t.Fatalf("%q: got %d items, want %d", body, len(w.items), want)
		}
		checkChunks(t, w)
	})
}

// checkChunks holds that every item that was taken has a place of its own in a chunk of the write, and that nothing else has.
func checkChunks(t *testing.T, w *write) {
	t.Helper()
	type place struct {
		c     *chunk
		index int
	}
	seen := map[place]bool{}
	for i, it := range w.items {
		if it.chunk == nil {
			continue
		}
		at := place{it.chunk, it.index}
		if it.err != nil || it.event != nil || seen[at] || it.index >= it.chunk.Len() {
			t.Fatalf("item %d is at %d of %d, %v, %v, taken: %v", i, it.index, it.chunk.Len(), it.err, it.event, seen[at])
		}
		seen[at] = true
	}
	entries := 0
	for _, c := range w.chunks {
		entries += c.Len()
	}
	if entries != len(seen) {
		t.Fatalf("the chunks hold %d entries, want those of %d items", entries, len(seen))
	}
}

// TestASpoiltLineSpoilsOnlyItself holds what FuzzLines compares with.
func TestASpoiltLineSpoilsOnlyItself(t *testing.T) {
	body := bytes.Join([][]byte{
		[]byte(`{"action_type":"a"}`), []byte(`{"action_type":`), {}, []byte(`{"action_type":"b"} x`), []byte(" \t\r"), []byte(`{"action_type":"c"}`),
	}, []byte("\n"))
	w, _, err := parseBody(body, lines, 10)
	if err != nil || len(w.items) != 4 {
		t.Fatalf("got %d items, %v, want 4", len(w.items), err)
	}
	for i, good := range []bool{true, false, false, true} {
		if got := w.items[i].err == nil; got != good {
			t.Errorf("item %d is good: %v, want %v", i, got, good)
		}
	}
}
