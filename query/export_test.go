package query

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// export returns all of x.
func export(t testing.TB, s *Reader, x Export) []schema.Entry {
	t.Helper()
	e, err := s.OpenExport(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var all []schema.Entry
	if err := e.Each(t.Context(), func(e *schema.Entry) error { all = append(all, *e); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestExportsAgainstModel exports random filters in small pages, from the beginning and from the middle, while entries are
// stored and erased.
func TestExportsAgainstModel(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("8")
	}
	s, tables := openReader(t)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		s.exports.pages = exportPages{rapid.Int64Range(1, 9).Draw(rt, "hours"), rapid.IntRange(1, 9).Draw(rt, "rows"), rapid.IntRange(0, 9).Draw(rt, "bytes")}
		tenants := [2]string{fmt.Sprintf("a%d", run), fmt.Sprintf("b%d", run)}
		m := &model{}
		m.put(t, tables, drawEntries(rt, tenants, 1))
		m.put(t, tables, drawEntries(rt, tenants, len(m.entries)+1))
		for range 3 {
			f := drawFilter(rt, filterOf(t, tenants[0]))
			want := m.matching(f, OldestFirst)
			got := export(t, s, Export{Filter: f})
			if !slices.Equal(ids(got), want) {
				rt.Fatalf("export of %+v: got %v, want %v", f, ids(got), want)
			}
			if len(want) > 0 {
				i := rapid.IntRange(0, len(want)-1).Draw(rt, "after")
				got = export(t, s, Export{Filter: f, After: Key{got[i].Timestamp, got[i].ID}})
				if !slices.Equal(ids(got), want[i+1:]) {
					rt.Fatalf("export of %+v after %d: got %v, want %v", f, want[i], ids(got), want[i+1:])
				}
			}
		}
		checkMovingExport(t, rt, s, tables, m, tenants)
	})
}

// checkMovingExport stores and erases entries while an export runs, and continues it with its snapshot.
func checkMovingExport(t *testing.T, rt *rapid.T, s *Reader, tables *fixture.Database, m *model, tenants [2]string) {
	f := filterOf(t, tenants[0])
	want := m.matching(f, OldestFirst)
	e, err := s.OpenExport(t.Context(), Export{Filter: f})
	if err != nil {
		rt.Fatal(err)
	}
	defer e.Close()
	later := drawEntries(rt, tenants, len(m.entries)+1)
	m.put(t, tables, later)
	var got []uint64
	var middle Key
	each := func(entry *schema.Entry) error {
		got = append(got, entry.ID)
		if len(got) == (len(want)+1)/2 {
			middle = Key{entry.Timestamp, entry.ID}
		}
		return nil
	}
	if err := e.Each(t.Context(), each); err != nil || !slices.Equal(got, want) {
		rt.Fatalf("got %v, %v, want %v: what was stored when it began", got, err, want)
	}
	if len(want) > 1 {
		gone := want[len(want)-1]
		if err := tables.Erase(t.Context(), fmt.Sprintf("tenant = '%s' AND id = %d", tenants[0], gone)); err != nil {
			rt.Fatal(err)
		}
		m.entries = slices.DeleteFunc(m.entries, func(e schema.Entry) bool { return e.ID == gone })
		rest := ids(export(t, s, Export{Filter: f, Snapshot: e.Snapshot, After: middle}))
		if want := want[(len(want)+1)/2 : len(want)-1]; !slices.Equal(rest, want) && len(rest)+len(want) > 0 {
			rt.Fatalf("continued: got %v, want %v", rest, want)
		}
	}
}

func TestExportOfNothing(t *testing.T) {
	s, tables := openReader(t)
	f := filterOf(t, "a")
	if got := export(t, s, Export{Filter: f}); len(got) != 0 {
		t.Errorf("of an empty table: got %v", got)
	}
	tables.Put(t, schema.Entry{Tenant: "b", ID: 1, Timestamp: base, Action: "x"})
	if got := export(t, s, Export{Filter: f}); len(got) != 0 {
		t.Errorf("of a tenant without entries: got %v", got)
	}
	f.tenant, f.Device = "b", "none"
	if got := export(t, s, Export{Filter: f}); len(got) != 0 {
		t.Errorf("of a device without entries: got %v", got)
	}
}

// TestExportWithoutItsHours exports entries whose hours by_kind does not have yet: it is written last.
func TestExportWithoutItsHours(t *testing.T) {
	s, tables := openReader(t)
	for i := range 3 {
		tables.Put(t, schema.Entry{Tenant: "a", ID: uint64(i + 1), Timestamp: base + int64(i)*hourMs, Action: "x", Device: "d"})
	}
	for _, lacking := range []string{"hour = toDateTime(1707728400, 'UTC')", "1"} {
		if err := tables.Conn.Exec(t.Context(), "ALTER TABLE by_kind DELETE WHERE "+lacking+" SETTINGS mutations_sync = 1"); err != nil {
			t.Fatal(err)
		}
		if got := ids(export(t, s, Export{Filter: filterOf(t, "a")})); !slices.Equal(got, []uint64{1, 2, 3}) {
			t.Errorf("without %s: got %v, want all", lacking, got)
		}
	}
}

func TestExportsAreFew(t *testing.T) {
	s, _ := openReader(t)
	x := Export{Filter: filterOf(t, "a")}
	var open []*Exporting
	for range cap(s.exports.running) {
		e, err := s.OpenExport(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, e)
	}
	_, err := s.OpenExport(t.Context(), x)
	if !errors.Is(err, schema.ErrUnavailable) || api.RetryAfter(err) != busyFor {
		t.Errorf("one too many: got %v, after %s", err, api.RetryAfter(err))
	}
	open[0].Close()
	e, err := s.OpenExport(t.Context(), x)
	if err != nil {
		t.Fatalf("after one has ended: %v", err)
	}
	e.Close()
	if _, err := s.OpenExport(t.Context(), Export{}); api.Status(err) != 401 {
		t.Errorf("without a tenant: got %v", err)
	}
}

func TestExportGivesUp(t *testing.T) {
	s, tables := openReader(t)
	tables.Put(t, schema.Entry{Tenant: "a", ID: 1, Timestamp: base, Action: "x"})
	e, err := s.OpenExport(t.Context(), Export{Filter: filterOf(t, "a")})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	e.retryFor = 10 * time.Millisecond
	if err := tables.Conn.Exec(t.Context(), "RENAME TABLE activity TO elsewhere"); err != nil {
		t.Fatal(err)
	}
	if err := e.Each(t.Context(), func(*schema.Entry) error { return nil }); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("without the table: got %v, want unavailable", err)
	}
	if err := tables.Conn.Exec(t.Context(), "RENAME TABLE elsewhere TO activity"); err != nil {
		t.Fatal(err)
	}
	own := errors.New("the caller's own")
	if err := e.Each(t.Context(), func(*schema.Entry) error { return own }); !errors.Is(err, own) {
		t.Errorf("got %v, want the caller's error", err)
	}
}
