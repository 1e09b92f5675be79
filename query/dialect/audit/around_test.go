package audit_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
)

type shownSide struct {
	Items      []struct{ ID uuid.UUID }
	NextCursor *string
}

// TestAroundIsExact goes outwards from entries, with filters that a rollup counts and others, through times that many entries share. Both sides
// together have every matching entry once and in order, and not the entry itself.
func TestAroundIsExact(t *testing.T) {
	db := fixture.Open(t, testbed.ClickHouse(t))
	var all []schema.Entry
	for i := range 400 {
		e := schema.Entry{Tenant: schema.DefaultTenant, ID: uint64(i + 1), Timestamp: 1_710_504_000_000 + int64(i/9)*hour/4, Action: "a", Device: fmt.Sprint("d", i%3), Platform: fmt.Sprint("p", i%2)}
		all = append(all, e)
	}
	db.Put(t, all...)
	h := router(db.Conn)
	for filter, match := range map[string]func(e schema.Entry) bool{
		"":                      func(schema.Entry) bool { return true },
		"serial=d1":             func(e schema.Entry) bool { return e.Device == "d1" },
		"serial=d1&platform=p0": func(e schema.Entry) bool { return e.Device == "d1" && e.Platform == "p0" },
		"serial!=d2":            func(e schema.Entry) bool { return e.Device != "d2" },
		"serial=nothing":        func(schema.Entry) bool { return false },
	} {
		for _, at := range []int{1, 200, 202, 400} {
			var earlier, later []uint64
			for _, e := range all {
				switch {
				case !match(e):
				case e.ID < uint64(at):
					earlier = append(earlier, e.ID)
				case e.ID > uint64(at):
					later = append(later, e.ID)
				}
			}
			slices.Reverse(earlier)
			t.Run(fmt.Sprintf("%d?%s", at, filter), func(t *testing.T) {
				var page struct {
					Data struct{ Earlier, Later shownSide }
				}
				read(t, h, fmt.Sprintf("/api/v1/activity-logs/%s/around?pageSize=7&%s", schema.UUID(uint64(at)), filter), &page)
				equal(t, "earlier", outwards(t, h, page.Data.Earlier, "createdAt:desc", filter), earlier)
				equal(t, "later", outwards(t, h, page.Data.Later, "createdAt:asc", filter), later)
			})
		}
	}
}

// outwards are the ids of a side and of the pages that its cursor leads to.
func outwards(t *testing.T, h http.Handler, s shownSide, sort, filter string) (ids []uint64) {
	t.Helper()
	for {
		for _, e := range s.Items {
			id, err := schema.IDOfUUID(e.ID)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		if s.NextCursor == nil {
			return ids
		}
		if len(s.Items) == 0 {
			t.Fatal("a cursor follows no entry")
		}
		var page struct {
			Data []struct{ ID uuid.UUID }
			Meta struct{ NextCursor *string }
		}
		read(t, h, fmt.Sprintf("/api/v1/activity-logs?pageSize=50&sort=%s&cursor=%s&%s", sort, url.QueryEscape(*s.NextCursor), filter), &page)
		s = shownSide{page.Data, page.Meta.NextCursor}
	}
}

func read(t *testing.T, h http.Handler, target string, into any) {
	t.Helper()
	w := ask(h, http.MethodGet, target, "", "")
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s: got %d, %v, %.200s", target, w.Code, err, w.Body)
	}
}

func equal(t *testing.T, what string, got, want []uint64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
