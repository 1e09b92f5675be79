package query

import (
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/activitylog/activitylog/schema"
)

func TestCursor(t *testing.T) {
	s := sealer{secret: []byte("secret"), maxAge: time.Hour}
	now := time.Unix(1_800_000_000, 0)
	l := Listing{Filter: filterOf(t, "a"), Limit: 10}
	l.Filter.Platform = "tiktok"
	want := key{base + 17, 1<<53 - 1}
	cursor := s.seal(want, l, now)
	l.Cursor = cursor
	l.Limit = 20 // may change
	if got, err := s.open(l, now.Add(time.Hour)); err != nil || got != want {
		t.Fatalf("open: got %v, %v, want %v", got, err, want)
	}
	for name, change := range map[string]func(*Listing){
		"platform": func(l *Listing) { l.Filter.Platform = "x" },
		"shifted":  func(l *Listing) { l.Filter.Platform, l.Filter.Device = "tik", "tok" },
		"tenant":   func(l *Listing) { l.Filter.tenant = "b" },
		"bound":    func(l *Listing) { l.Filter.Start = 1 },
		"order":    func(l *Listing) { l.Order = OldestFirst },
		"no text":  func(l *Listing) { l.Cursor = "???" },
		"short":    func(l *Listing) { l.Cursor = cursor[:len(cursor)-4] },
		"long":     func(l *Listing) { l.Cursor = cursor + "AAAA" },
		"newline":  func(l *Listing) { l.Cursor = cursor + "\n" },
	} {
		other := l
		change(&other)
		checkCursorFault(t, name, s, other, now)
	}
	b, _ := base64.RawURLEncoding.DecodeString(cursor)
	for i := range b {
		b[i] ^= 1
		other := l
		other.Cursor = base64.RawURLEncoding.EncodeToString(b)
		checkCursorFault(t, "flipped bit", s, other, now)
		b[i] ^= 1
	}
	checkCursorFault(t, "expired", s, l, now.Add(time.Hour+time.Second))
	checkCursorFault(t, "other secret", sealer{[]byte("other"), time.Hour}, l, now)
}

func checkCursorFault(t *testing.T, name string, s sealer, l Listing, now time.Time) {
	t.Helper()
	var f *schema.FieldError
	if _, err := s.open(l, now); !errors.As(err, &f) || f.Field != "cursor" || !errors.Is(err, schema.ErrInvalid) {
		t.Errorf("%s: got %v, want a fault of the field cursor", name, err)
	}
}

func FuzzCursor(f *testing.F) {
	s := sealer{[]byte("secret"), time.Hour}
	now := time.Unix(1_800_000_000, 0)
	l := Listing{Filter: Filter{tenant: "a"}, Limit: 1}
	good := s.seal(key{1, 2}, l, now)
	for _, seed := range []string{"", good, good[1:], good + "A", "AQ"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := l
		l.Cursor = text
		if k, err := s.open(l, now); err == nil && text != good {
			t.Errorf("a forged cursor %q was read as %v", text, k)
		}
	})
}

func FuzzFilter(f *testing.F) {
	f.Add("a", "tiktok", "it's", "two words", int64(1), int64(2))
	f.Add("a", "\x00", "\xff", "", int64(-1), int64(1<<62))
	f.Fuzz(func(t *testing.T, tenant, platform, device, search string, start, end int64) {
		a := Filter{tenant, schema.Match{Platform: platform, Device: device, Search: search, Start: start, End: end}}
		if a.Validate() != nil {
			return
		}
		checkStatement(t, countOf(a, "2026-01-01"), platform, device)
		checkStatement(t, hoursOf(a, NewestFirst, "2026-01-01"), platform, device)
		b := a
		b.Platform, b.Device = device, platform
		if (a.canonical() == b.canonical()) != (a == b) {
			t.Errorf("filters %v and %v: canonical %q and %q", a, b, a.canonical(), b.canonical())
		}
	})
}

func TestListingFaults(t *testing.T) {
	for field, l := range map[string]Listing{
		"limit":     {Limit: 1001},
		"offset":    {Limit: 1, Offset: -1},
		"platform":  {Limit: 1, Filter: Filter{Match: schema.Match{Platform: "\x00"}}},
		"device":    {Limit: 1, Filter: Filter{Match: schema.Match{Device: "\xff"}}},
		"start":     {Limit: 1, Filter: Filter{Match: schema.Match{Start: 5, End: 4}}},
		"end":       {Limit: 1, Filter: Filter{Match: schema.Match{End: -4}}},
		"target id": {Limit: 1, Filter: Filter{Match: schema.Match{Targets: [schema.MaxTargetsMatch]schema.TargetMatch{{ID: "\xff"}}}}},
		"search":    {Limit: 1, Filter: Filter{Match: schema.Match{Search: "a b c d e f g h i j k l m n o p q r s t u v w x y z 1 2 3 4 5 6 7"}}},
	} {
		l.Filter.tenant = "a"
		var f *schema.FieldError
		if err := l.validate(); !errors.As(err, &f) || f.Field != field {
			t.Errorf("%+v: got %v, want a fault of %s", l, err, field)
		}
	}
	both := Listing{Filter: Filter{tenant: "a"}, Limit: 1, Offset: 1, Cursor: "x"}
	if err := both.validate(); !errors.Is(err, schema.ErrInvalid) {
		t.Errorf("offset and cursor: got %v, want invalid", err)
	}
}
