package query

import (
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/activitylog/activitylog/schema"
)

func TestCursor(t *testing.T) {
	live := bookmark{Key: Key{base + 17, 1<<53 - 1}}
	snapshot := bookmark{live.Key, schema.Position{0: 0, 3: 1 << 40, 4095: 17}}
	t.Run("live", func(t *testing.T) { checkCursor(t, live, false) })
	t.Run("snapshot", func(t *testing.T) { checkCursor(t, snapshot, true) })
	t.Run("snapshot of nothing", func(t *testing.T) { checkCursor(t, bookmark{live.Key, schema.Position{}}, true) })
}

func checkCursor(t *testing.T, want bookmark, snapshot bool) {
	s := sealer{secret: []byte("secret"), maxAge: time.Hour}
	now := time.Unix(1_800_000_000, 0)
	l := Listing{Filter: filterOf(t, "a"), Limit: 10, Snapshot: snapshot}
	l.Filter.Platform = "tiktok"
	cursor := s.seal(want, l, now)
	l.Cursor = cursor
	l.Limit = 20 // may change
	got, err := s.open(l, now.Add(time.Hour))
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(bookmark{})); err != nil || diff != "" {
		t.Fatalf("open: %v (-want +got):\n%s", err, diff)
	}
	for name, change := range map[string]func(*Listing){
		"platform": func(l *Listing) { l.Filter.Platform = "x" },
		"shifted":  func(l *Listing) { l.Filter.Platform, l.Filter.Device = "tik", "tok" },
		"tenant":   func(l *Listing) { l.Filter.tenant = "b" },
		"bound":    func(l *Listing) { l.Filter.Start = 1 },
		"order":    func(l *Listing) { l.Order = OldestFirst },
		"snapshot": func(l *Listing) { l.Snapshot = !l.Snapshot },
		"no text":  func(l *Listing) { l.Cursor = "???" },
		"short":    func(l *Listing) { l.Cursor = cursor[:len(cursor)-4] },
		"empty":    func(l *Listing) { l.Cursor = "Ag" },
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

// FuzzCursor checks that only sealed cursors are read, and that every position is read as it was written.
func FuzzCursor(f *testing.F) {
	s := sealer{[]byte("secret"), time.Hour}
	now := time.Unix(1_800_000_000, 0)
	live := Listing{Filter: Filter{tenant: "a"}, Limit: 1}
	snapshot := live
	snapshot.Snapshot = true
	sealed := map[string]bool{
		s.seal(bookmark{Key: Key{1, 2}}, live, now):                                     true,
		s.seal(bookmark{Key{1, 2}, schema.Position{0: 300, 4: 1 << 50}}, snapshot, now): true,
	}
	for good := range sealed {
		for _, seed := range []string{good, good[1:], good + "A"} {
			f.Add(seed)
		}
	}
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, text string) {
		for _, l := range []Listing{live, snapshot} {
			l.Cursor = text
			if m, err := s.open(l, now); err == nil && !sealed[text] {
				t.Errorf("a forged cursor %q was read as %v", text, m)
			}
		}
		p := readStored([]byte(text))
		if again := readStored(appendStored(nil, p)); !cmp.Equal(p, again) {
			t.Errorf("%q: read %v, written and read again %v", text, p, again)
		}
	})
}
