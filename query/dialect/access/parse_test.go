package access

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/schema"
)

func filter(t testing.TB) query.Filter {
	t.Helper()
	f, err := query.NewFilter(schema.Anonymous())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// FuzzBody checks that each body is either refused with an error of a field or becomes a valid listing.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		"", "{}", `{"start": 1662364800000, "end": 1662451200000, "limit": 50}`, `{"nextToken":"x","order":"asc"}`,
		`{"start":1.5,"end":1e300,"limit":1e400}`, `{"start":-0,"end":"1"}`, `{"limit":99999999999999999999}`, `[1]`, `{"end":0.9}`,
		`{"activityType":"a","userId":"b","platform":"c","serial":"d"}`, "{\"serial\":\"\\u0000\"}", "null", `{"limit":}`,
	} {
		f.Add([]byte(seed))
	}
	all := filter(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		l, err := parse(body, all)
		var field *schema.FieldError
		if err != nil {
			if !errors.As(err, &field) || field.Field == "" {
				t.Errorf("%q: %v is not an error of a field", body, err)
			}
			return
		}
		if l.Limit < 1 || l.Limit > query.MaxLimit || !l.Snapshot || l.Offset != 0 {
			t.Errorf("%q: got %+v", body, l)
		}
		if err := l.Filter.Validate(); err != nil {
			t.Errorf("%q: the filter %+v is refused: %v", body, l.Filter, err)
		}
	})
}

// FuzzDetails checks that an entry's details are always an object that keeps every member as it was sent.
func FuzzDetails(f *testing.F) {
	f.Add(`{"a":1}`, "u", "n", "text")
	f.Add(` { "userId" : null } `, "u", "", "")
	f.Add(`{}`, "", "n", "")
	f.Add("", "", "", "")
	f.Add(`{"cut`, "u", "<", "\xff")
	f.Fuzz(func(t *testing.T, details, id, name, text string) {
		e := schema.Entry{ActorID: id, ActorName: name, Detail: text, Details: details}
		var got, sent map[string]json.RawMessage
		if err := json.Unmarshal(reply.JSON(detailsOf(&e)), &got); err != nil || got == nil {
			t.Fatalf("details of %q: %v", details, err)
		}
		if json.Unmarshal([]byte(details), &sent) != nil {
			sent = nil
		}
		for name, value := range sent {
			if string(reply.JSON(value)) != string(got[name]) {
				t.Errorf("details of %q: %s is %s", details, name, got[name])
			}
		}
		if _, taken := sent["userId"]; !taken && (id != "") != (got["userId"] != nil) {
			t.Errorf("details of %q: userId is %s of %q", details, got["userId"], id)
		}
	})
}
