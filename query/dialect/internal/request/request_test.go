package request

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/schema"
)

// lacking is a store of a single partition.
type lacking struct{ asked schema.Position }

func (l *lacking) Await(_ context.Context, p schema.Position) error {
	l.asked = p
	if len(p) > 0 && p[0] == 0 {
		return &schema.FieldError{Field: "position", Code: "RANGE", Issue: "names partition 7; the highest is 0"}
	}
	return nil
}

// What is wrong with a position is said under the name that the caller gave it.
func TestPositions(t *testing.T) {
	for _, c := range []struct{ header, query, asks, says string }{
		{"", "", "", ""},
		{"p0:5", "", "p0:5", ""},
		{"", "position=p0:5", "p0:5", ""},
		{"", "Position=p0:5", "p0:5", ""},
		{"p0:5", "position=p0:5", "p0:5", ""},
		{"p0:5", "position=p7:1", "", "position: is given more than once, with different values"},
		{"p0:5;p7:1", "", "", "X-Activity-Position: is given more than once, with different values"},
		{"", "position=&POSITION=p0:5", "p0:5", ""},
		{"", "position=&position=p0:5", "p0:5", ""},
		{"", "position=p0:5&Position=p0:5", "p0:5", ""},
		{"", "position=p0:1&Position=p0:9", "", "position: is given more than once, with different values"},
		{"", "position=p0:1&position=p0:9", "", "position: is given more than once, with different values"},
		{"p7:1", "", "p7:1", "X-Activity-Position: names partition 7; the highest is 0"},
		{"", "position=p7:1", "p7:1", "position: names partition 7; the highest is 0"},
		{"", "POSITION=p7:1", "p7:1", "POSITION: names partition 7; the highest is 0"},
		{"nowhere", "", "", "X-Activity-Position: must be the value of an X-Activity-Position header"},
		{"", "position=nowhere", "", "position: must be the value of an X-Activity-Position header"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/?"+c.query, nil)
		for value := range strings.SplitSeq(c.header, ";") {
			r.Header.Add(schema.PositionHeader, value)
		}
		var store lacking
		says := ""
		if err := Await(r, &store); err != nil {
			says = err.Error()
		}
		if says != c.says || store.asked.String() != c.asks {
			t.Errorf("%q, %q: waited for %q and said %q, want %q and %q", c.header, c.query, store.asked, says, c.asks, c.says)
		}
	}
}

// Entries that were stored between the count and the page are part of the total.
func TestTotal(t *testing.T) {
	for _, c := range []struct {
		counted uint64
		offset  int64
		shown   int
		next    string
		want    uint64
	}{
		{100, 0, 20, "more", 100}, {100, 80, 20, "", 100}, {100, 80, 40, "", 120}, {20, 0, 20, "more", 21}, {100, 200, 0, "", 100}, {7, 0, 5, "", 7},
	} {
		got := Total(c.counted, query.Listing{Offset: c.offset}, query.Page{Entries: make([]schema.Entry, c.shown), Next: c.next})
		if got != c.want {
			t.Errorf("%+v: got %d", c, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]int{"": 20, "1": 1, "1000": 1000, "1001": 1000, "99999999999999999999": 1000, "0": -1, "-1": -1, "-99999999999999999999": -1, "1.0": -1, "x": -1, " 1": -1} {
		got, err := Limit("limit", text, 20)
		if (err == nil) != (want > 0) || err == nil && got != want {
			t.Errorf("limit %q: got %d, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]int64{"": 1, "1": 1, "9223372036854775807": 1<<63 - 1, "9223372036854775808": -1, "0": -1, "-7": -1, "1e3": -1} {
		got, err := Whole("page", text, 1, 1)
		if (err == nil) != (want > 0) || err == nil && got != want {
			t.Errorf("page %q: got %d, %v, want %d", text, got, err, want)
		}
	}
}
