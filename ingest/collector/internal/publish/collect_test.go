package publish

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/ingest/collector/internal/decode"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

const received = 1_795_219_200_123

// entries makes Entries of a Reader; Close keeps the memory.
type entries struct{ *decode.Reader }

func (e entries) Close() error { return e.Err() }

// collected returns the job made from a body, and whether the body was one object.
func collected(r *decode.Reader, body []byte, form decode.Form, maxEntries int) (*job, bool, error) {
	r.Reset(body, decode.Options{Form: form, MaxEntries: maxEntries, ReceivedAt: received})
	j := newJob()
	j.reset("default", received, 3, 0)
	err := j.collect(Request{Tenant: "default", ReceivedAt: received, Entries: entries{r}, Single: r.Single(), EventField: r.EventField()}, newTestKeys())
	return j, r.Single(), err
}

func newTestKeys() *keys { return newKeys(10, time.Hour, newMetrics(prometheus.NewRegistry())) }

// alone reads a text as a body of one object.
func alone(text string) (eventID string, bodyHash uint64, err error) {
	r := decode.NewFleet()
	r.Reset([]byte(text), decode.Options{MaxEntries: 1, ReceivedAt: received})
	if !r.Single() {
		return "", 0, errors.New("not an object")
	}
	if !r.Next() {
		return "", 0, r.Err()
	}
	_, eventID, bodyHash, err = r.Entry()
	return eventID, bodyHash, err
}

// FuzzLines checks that a body of lines has one item for each line that is not empty, and that the item is good exactly if the
// line alone is.
func FuzzLines(f *testing.F) {
	for _, s := range []string{
		"{\"action_type\":\"a\"}\n{\"action_type\":\"b\",\"serial\":\"s\"}\n", "{\"action_type\":\"a\"}\r\n\r\n \t\n{}", "nonsense\n{\"action_type\":\"a\"} x\n[]",
		"{\"action_type\":\n\"a\"}", "{\"action_type\":\"a\",\"event_id\":\"e\"}\n{\"action_type\":\"a\",\"event_id\":\"e\"}\n{\"action_type\":\"b\",\"event_id\":\"e\"}",
		"\ufeff{\"action_type\":\"a\"}\n\ufeff{}\n\ufeff\n\ufeff\ufeff{}", "\xff\xfe{\x00}\x00",
		"\n\n", "\x00\n{\"action_type\":\"\\u000a\"}", strings.Repeat("{\"action_type\":\"a\"}\n", 9),
	} {
		f.Add(s)
	}
	const most = 8
	f.Fuzz(func(t *testing.T, body string) {
		want, bodies, known := []bool{}, []uint64{}, map[string]uint64{}
		for line := range strings.SplitSeq(body, "\n") {
			if strings.Trim(strings.TrimPrefix(line, "\ufeff"), " \t\r") == "" {
				continue
			}
			eventID, hash, err := alone(line)
			good := err == nil
			if good && eventID != "" {
				if first, ok := known[eventID]; ok {
					good = first == hash
				} else {
					known[eventID] = hash
				}
			}
			want, bodies = append(want, good), append(bodies, 0)
		}
		j, single, err := collected(decode.NewFleet(), []byte(body), decode.Lines, most)
		if field := (*schema.FieldError)(nil); errors.As(err, &field) && strings.HasPrefix(field.Issue, "is ") {
			return // the whole body is in UTF-16, or compressed
		}
		switch {
		case single:
			t.Fatalf("%q: read as one object", body)
		case len(bodies) == 0:
			if field := (*schema.FieldError)(nil); !errors.As(err, &field) || field.Code != "REQUIRED" {
				t.Fatalf("%q: got %v, want REQUIRED", body, err)
			}
			return
		case len(bodies) > most:
			if !errors.Is(err, schema.ErrTooLarge) {
				t.Fatalf("%q: got %v, want too large", body, err)
			}
			return
		case err != nil || len(j.items) != len(want):
			t.Fatalf("%q: got %d items, %v, want %d", body, len(j.items), err, len(want))
		}
		for i, good := range want {
			if got := j.items[i].err == nil; got != good {
				t.Fatalf("%q: item %d is good: %v (%v), want %v", body, i, got, j.items[i].err, good)
			}
		}
		checkChunks(t, j)
	})
}

// FuzzArray checks that an accepted body is JSON, with as many items as it has elements.
func FuzzArray(f *testing.F) {
	for _, s := range []string{
		`[{"action_type":"a"},{"action_type":"b"}]`, `[]`, ` [ ] `, `{"action_type":"a"}`, `[{"action_type":"a"},]`, `[1,null,"x",[{}],{"action_type":"a"}]`,
		"\ufeff" + `[{"action_type":"a"}]`, "\ufeff" + `{"action_type":"a"}`, "\ufeff\ufeff[]",
		`[{"action_type":"a"}] []`, `[{"action_type":"a"}`, "[{\"action_type\":\"\xff\"}]", `{"action_type":"a"} {"action_type":"b"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		j, single, err := collected(decode.NewFleet(), []byte(body), decode.AnyJSON, 1000)
		body = strings.TrimPrefix(body, "\ufeff") // which is skipped
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
		if len(j.items) != want {
			t.Fatalf("%q: got %d items, want %d", body, len(j.items), want)
		}
		checkChunks(t, j)
	})
}

// checkChunks checks that every accepted item has an entry of its own in a chunk of the job, and that the chunks hold no others.
func checkChunks(t *testing.T, j *job) {
	t.Helper()
	type slot struct {
		c     *chunk
		index int
	}
	seen := map[slot]bool{}
	for i, it := range j.items {
		if it.chunk == nil {
			continue
		}
		at := slot{it.chunk, it.index}
		if it.err != nil || it.event != nil || seen[at] || it.index >= it.chunk.Len() {
			t.Fatalf("item %d is at %d of %d, %v, %v, seen before: %v", i, it.index, it.chunk.Len(), it.err, it.event, seen[at])
		}
		seen[at] = true
	}
	entries := 0
	for _, c := range j.chunks {
		entries += c.Len()
	}
	if entries != len(seen) {
		t.Fatalf("the chunks hold %d entries, want those of %d items", entries, len(seen))
	}
}

// TestABadLineFailsAlone checks the rule that FuzzLines uses.
func TestABadLineFailsAlone(t *testing.T) {
	body := bytes.Join([][]byte{
		[]byte(`{"action_type":"a"}`), []byte(`{"action_type":`), {}, []byte(`{"action_type":"b"} x`), []byte(" \t\r"), []byte(`{"action_type":"c"}`),
	}, []byte("\n"))
	j, _, err := collected(decode.NewFleet(), body, decode.Lines, 10)
	if err != nil || len(j.items) != 4 {
		t.Fatalf("got %d items, %v, want 4", len(j.items), err)
	}
	for i, good := range []bool{true, false, false, true} {
		if got := j.items[i].err == nil; got != good {
			t.Errorf("item %d is good: %v, want %v", i, got, good)
		}
	}
}

func TestAFaultIsForgottenWithItsEntry(t *testing.T) {
	body := `[{"action":"a","targets":[{"type":"T","id":7}]},{"action":"b","userId":7},` + `{"action":"TICKET_PAY","user":{"id":"abc-123","username":"ada"},"targets":[{"type":"TICKET","id":"t-456","name":"Lunch"},{"id":"u 7","type":"USER"}],"details":{"amount": 5.0},"eventId":"e-1"}` + `,{"action":"c"},{"action":"a","user":{"x":1}},{"action":"d","detail":7}]`
	j, _, err := collected(decode.NewAudit(), []byte(body), decode.AnyJSON, 10)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"targets[0].id", "userId", "", "", "user.x", "detail"} {
		var field *schema.FieldError
		if got := errors.As(j.items[i].err, &field); got != (want != "") || got && field.Field != want {
			t.Errorf("item %d: got %v, want %q", i, j.items[i].err, want)
		}
	}
	checkChunks(t, j)
}
