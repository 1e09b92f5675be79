package query

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/activitylog/activitylog/schema"
)

// large returns n entries with as much text as an entry may have, ids from 1, each with a timestamp of its own.
func large(n int) []schema.Entry {
	all := make([]schema.Entry, n)
	for i := range all {
		all[i] = schema.Entry{
			Tenant: "a", ID: uint64(i + 1), Timestamp: base + int64(i)*hourMs/10, Action: "post", Platform: "x", Device: "d1",
			Detail: strings.Repeat("d", schema.MaxDetailBytes), Details: `{"x":"` + strings.Repeat("y", schema.MaxDetailsBytes-8) + `"}`,
		}
	}
	return all
}

// bytesOf is how much text the entries have.
func bytesOf(entries []schema.Entry) (n int) {
	for _, e := range entries {
		n += len(e.Detail) + len(e.Details)
		for _, t := range e.Targets {
			n += len(t.Type) + len(t.ID) + len(t.Name)
		}
	}
	return n
}

// TestPagesEndByBytes: a page of large entries ends early, its cursor continues where it ended, and offsets still count entries.
func TestPagesEndByBytes(t *testing.T) {
	s, tables := openReader(t)
	const n = 100
	tables.Put(t, large(n)...)
	for name, set := range map[string]func(*Listing){
		"all":      func(*Listing) {},
		"oldest":   func(l *Listing) { l.Order = OldestFirst },
		"device":   func(l *Listing) { l.Filter.Device = "d1" },
		"snapshot": func(l *Listing) { l.Snapshot = true },
		"platform": func(l *Listing) { l.Filter.Device, l.Filter.Platform = "d1", "x" }, // no rollup is exact
	} {
		t.Run(name, func(t *testing.T) {
			l := Listing{Filter: filterOf(t, "a"), Fields: Everything, Limit: MaxLimit}
			set(&l)
			var got []uint64
			for pages := 0; ; pages++ {
				page, err := s.List(t.Context(), l)
				if err != nil {
					t.Fatal(err)
				}
				if size := bytesOf(page.Entries); size > PageBytes || len(page.Entries) == 0 {
					t.Fatalf("a page has %d entries of %d bytes, want some of at most %d", len(page.Entries), size, PageBytes)
				}
				got = append(got, ids(page.Entries)...)
				if l.Cursor = page.Next; page.Next == "" {
					break
				}
				if pages == 0 && !l.Snapshot {
					next := l
					next.Cursor, next.Offset = "", int64(len(got))
					after, err := s.List(t.Context(), next)
					follows, err2 := s.List(t.Context(), l)
					if err != nil || err2 != nil || after.Entries[0].ID != follows.Entries[0].ID {
						t.Errorf("by offset %v and %v, by cursor %v and %v", ids(after.Entries), err, ids(follows.Entries), err2)
					}
				}
			}
			want := make([]uint64, n)
			for i := range want {
				if want[i] = uint64(n - i); l.Order == OldestFirst {
					want[i] = uint64(i + 1)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %v, want each of %d once", got, n)
			}
		})
	}
}

// TestWholePages: a caller who pages by number gets a whole page, or an error with the number of entries that it may ask for.
func TestWholePages(t *testing.T) {
	s, tables := openReader(t)
	const n = 400
	for _, some := range [][]schema.Entry{large(n)[:n/2], large(n)[n/2:]} {
		tables.Put(t, some...)
	}
	l := Listing{Filter: filterOf(t, "a"), Fields: Everything, Limit: 100, Offset: 50, Whole: true}
	page, err := s.List(t.Context(), l)
	if err != nil || len(page.Entries) != 100 || page.Entries[0].ID != n-50 || bytesOf(page.Entries) < PageBytes {
		t.Fatalf("got %d entries, %v, want 100", len(page.Entries), err)
	}
	l.Limit = MaxLimit
	_, err = s.List(t.Context(), l)
	if fieldOf(err) != "limit" {
		t.Fatalf("got %v, want a fault of limit", err)
	}
	var fits int
	if _, scan := fmt.Sscanf(err.Error(), "limit: is too high for entries with so much text: must be %d or less", &fits); scan != nil {
		t.Fatalf("%v: %v", err, scan)
	}
	l.Limit = fits
	if page, err = s.List(t.Context(), l); err != nil || len(page.Entries) != fits || page.Next == "" {
		t.Errorf("a page of %d: got %d entries, %v", fits, len(page.Entries), err)
	}
	l.Limit, l.Fields = MaxLimit, Summary // what it shows is less
	if page, err = s.List(t.Context(), l); err != nil || len(page.Entries) != n-50 || page.Next != "" {
		t.Errorf("summaries: got %d entries, %v, want %d", len(page.Entries), err, n-50)
	}
}

// TestTargetsCount: targets are text, too, in pages, exports and tails.
func TestTargetsCount(t *testing.T) {
	s, tables := openReader(t)
	const n = 100
	all := make([]schema.Entry, n)
	for i := range all {
		all[i] = schema.Entry{Tenant: "a", ID: uint64(i + 1), Timestamp: base + int64(i), Action: "post"}
		for j := range schema.MaxTargets {
			long := strings.Repeat("t", schema.MaxNameBytes-3)
			all[i].Targets = append(all[i].Targets, schema.Target{Type: "task", ID: fmt.Sprintf("%02d", j) + long, Name: long})
		}
	}
	tables.Put(t, all...)
	l := Listing{Filter: filterOf(t, "a"), Fields: Outline, Limit: MaxLimit}
	page, err := s.List(t.Context(), l)
	if err != nil || len(page.Entries) == n || bytesOf(page.Entries) > PageBytes {
		t.Errorf("got %d entries of %d bytes, %v", len(page.Entries), bytesOf(page.Entries), err)
	}
	if got := page.Entries[0].Targets; len(got) != schema.MaxTargets || got[1] != all[n-1].Targets[1] {
		t.Errorf("an outline has %d targets, want %d", len(got), schema.MaxTargets)
	}
	if got := allPages(t, s, l); len(got) != n {
		t.Errorf("got %d entries, want %d", len(got), n)
	}
}

// TestOneEntryLargerThanAPage: a page has an entry, however large.
func TestOneEntryLargerThanAPage(t *testing.T) {
	s, tables := openReader(t)
	huge := schema.Entry{Tenant: "a", ID: 1, Timestamp: base, Action: "post", Details: `"` + strings.Repeat("x", PageBytes+1) + `"`} // of another writer
	small := schema.Entry{Tenant: "a", ID: 2, Timestamp: base + 1, Action: "post"}
	tables.Put(t, huge, small)
	if got := allPages(t, s, Listing{Filter: filterOf(t, "a"), Fields: Everything, Limit: 10}); !slices.Equal(got, []uint64{2, 1}) {
		t.Errorf("got %v, want 2 and 1", got)
	}
}

// TestLargePagesTakeLittleMemory: text that the page drops is not read either.
func TestLargePagesTakeLittleMemory(t *testing.T) {
	s, tables := openReader(t)
	const n = 300
	all := large(n)
	for some := range slices.Chunk(all, 100) {
		tables.Put(t, some...)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	page, err := s.List(t.Context(), Listing{Filter: filterOf(t, "a"), Fields: Everything, Limit: MaxLimit})
	runtime.ReadMemStats(&after)
	if err != nil || len(page.Entries) == 0 || page.Next == "" {
		t.Fatalf("got %d entries, %v", len(page.Entries), err)
	}
	// 300 entries in one result take 1 GB, because the client's buffers grow by copies.
	if took := after.TotalAlloc - before.TotalAlloc; took > 300<<20 {
		t.Errorf("a page of %d MiB took %d MiB of memory", bytesOf(page.Entries)>>20, took>>20)
	} else {
		t.Logf("a page of %d MiB took %d MiB of memory", bytesOf(page.Entries)>>20, took>>20)
	}
}
