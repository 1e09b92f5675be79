package db_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"pgregory.net/rapid"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/internal/fixture/pipeline"
	"github.com/activitylog/activitylog/query/stored"
	"github.com/activitylog/activitylog/schema"
)

// world is entries of many tenants that differ in the tenant only, and what calls have shown of them.
type world struct {
	*pipeline.Pipeline
	entries  map[uint64]schema.Entry // that exist now, of all tenants
	all      []uint64                // every id that was ever used
	runs     int
	calls    int
	cursors  []cursor            // that calls have returned, and to whom
	begun    stored.TailPosition // before the entries of the check
	breaches map[string]int      // foreign rows, by the call that showed them
}

type cursor struct {
	tenant string
	l      query.Listing
}

// names are endings of tenants that SQL, JSON, globs or lists of tenants might misread.
var names = []string{"", "'", `\'`, `") OR 1 = 1 --`, "%", "*", ",", "\u00e9", " ", "{tenant:String}"}

// TestNoForeignRows lets tenants list, count, get, page, make statistics, export, follow, erase and delete at random: none ever sees or
// changes an entry of another tenant, while the administrator of all tenants sees every entry with its tenant. That holds without either of
// the two tenant filters. Without both the test must fail, which proves that it would notice.
func TestNoForeignRows(t *testing.T) {
	for _, tt := range []struct {
		name               string
		predicate, setting bool // is removed
		checks             string
	}{
		{"both filters", false, false, "10"},
		{"without the setting", false, true, "5"},
		{"without the predicate", true, false, "5"},
		{"without a filter", true, true, "5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checks := flag.Lookup("rapid.checks")
			if before := checks.Value.String(); before == checks.DefValue {
				_ = checks.Value.Set(tt.checks) // a check takes seconds: deletes wait for the consumer; with -short it is a fifth of them
				defer func() { _ = checks.Value.Set(before) }()
			}
			db.TakeDown(t, tt.predicate, tt.setting)
			w := &world{Pipeline: pipeline.Start(t, 20*time.Second), entries: map[uint64]schema.Entry{}, breaches: map[string]int{}}
			open := tt.predicate && tt.setting
			// Without a filter, one kind of call may by chance show no foreign row for a while.
			for round := 0; round == 0 || open && round < 20 && len(w.unnoticed()) > 0; round++ {
				rapid.Check(t, func(rt *rapid.T) { w.check(t.Context(), rt, open) })
			}
			t.Logf("%d calls, foreign rows: %v", w.calls, w.breaches)
			if open && len(w.unnoticed()) > 0 {
				t.Errorf("without a filter %v showed no foreign row: this test would not notice one", w.unnoticed())
			}
		})
	}
}

// unnoticed returns the calls that have shown no foreign row.
func (w *world) unnoticed() []string {
	return slices.DeleteFunc([]string{"list", "count", "get", "stats", "export", "tail"}, func(name string) bool { return w.breaches[name] > 0 })
}

// check lets new tenants call at random. open: both filters are removed, so foreign rows are counted and nothing else is checked.
func (w *world) check(ctx context.Context, rt *rapid.T, open bool) {
	w.runs++
	tenants := make([]string, rapid.IntRange(2, 5).Draw(rt, "tenants"))
	for i := range tenants {
		tenants[i] = fmt.Sprintf("%d", w.runs) + names[(i*7+w.runs)%len(names)]
	}
	slices.Sort(tenants)
	tenants = slices.Compact(tenants)
	w.begin(ctx, rt)
	w.fill(ctx, rt, tenants)
	for range 100 {
		w.calls++
		c := call{w: w, rt: rt, ctx: ctx, open: open, tenant: rapid.SampledFrom(append(tenants, schema.AllTenants)).Draw(rt, "who")}
		c.one(rapid.IntRange(0, 27).Draw(rt, "call"))
	}
}

// begin remembers where a tail must begin to get all entries of the check.
func (w *world) begin(ctx context.Context, rt *rapid.T) {
	f, err := query.NewFilter(pipeline.Of(schema.AllTenants))
	if err != nil {
		rt.Fatal(err)
	}
	tail, err := w.Backend.OpenTail(ctx, f, nil)
	if err != nil {
		rt.Fatal(err)
	}
	w.begun = tail.Position()
	tail.Close()
}

// fill stores the same entries for each tenant, and waits until they can be read.
func (w *world) fill(ctx context.Context, rt *rapid.T, tenants []string) {
	position := schema.Position{}
	for _, tenant := range tenants {
		partition := rapid.IntRange(0, pipeline.Partitions-1).Draw(rt, "partition")
		n := rapid.IntRange(1, 12).Draw(rt, "entries")
		first := w.IDs.Add(uint64(n)) - uint64(n) + 1
		var c schema.Chunk
		c.Reset(tenant, time.Now().UnixMilli())
		for i := range n {
			e := schema.Entry{
				Tenant: tenant, ID: first + uint64(i), Timestamp: 1_707_724_800_000 + int64(i%5)*3_000_000, Action: []string{"post", "like"}[i%2],
				Platform: []string{"x", "y", "z"}[i%3], Device: fmt.Sprint("d", i%3), Detail: words, RequestID: "r",
			}
			c.Add(&e, nil)
			w.entries[e.ID] = e
			w.all = append(w.all, e.ID)
		}
		c.Seal(first)
		res, err := w.Client.Produce(ctx, &kafka.ProduceRequest{
			Topic: w.Broker.Topic(), Partition: partition, RequiredAcks: kafka.RequireAll,
			Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Value: kafka.NewBytes(schema.AppendChunk(schema.AppendRecordHeader(nil), &c))}),
		})
		if err != nil || res.Error != nil {
			rt.Fatal(err, res)
		}
		position.Add(partition, res.BaseOffset)
	}
	if err := w.Backend.Await(ctx, position); err != nil {
		rt.Fatal(err)
	}
}

// call is one call of one tenant.
type call struct {
	w      *world
	rt     *rapid.T
	ctx    context.Context
	open   bool
	tenant string
}

// breach reports a foreign row, or a wrong answer: a foreign row too many or an own one too few.
func (c *call) breach(what string, details ...any) {
	if c.open {
		c.w.breaches[what]++
		return
	}
	c.rt.Fatalf("%s of %q: %v", what, c.tenant, details)
}

func (c *call) sees(e schema.Entry) bool {
	return c.tenant == schema.AllTenants || c.tenant == e.Tenant
}

// filter returns a random filter, and the entries that the tenant should see with it.
func (c *call) filter() (query.Filter, []schema.Entry) {
	f, err := query.NewFilter(pipeline.Of(c.tenant))
	if err != nil {
		c.rt.Fatal(err)
	}
	maybe := func(label, value string) string {
		return rapid.SampledFrom([]string{"", "", value}).Draw(c.rt, label)
	}
	f.Platform, f.Device, f.Action = maybe("platform", "x"), maybe("device", "d1"), maybe("action", "like")
	f.Search, f.RequestID = maybe("search", "words"), maybe("request", "r")
	if rapid.Bool().Draw(c.rt, "start") {
		f.Start = 1_707_724_800_000 + 1
	}
	var seen []schema.Entry
	is := func(want, got string) bool { return want == "" || want == got }
	for _, e := range c.w.entries {
		if c.sees(e) && is(f.Platform, e.Platform) && is(f.Device, e.Device) && is(f.Action, e.Action) && e.Timestamp >= f.Start &&
			is(f.RequestID, e.RequestID) && (f.Search == "" || e.Detail == words) {
			seen = append(seen, e)
		}
	}
	return f, seen
}

// words is the text of every entry that is not an erasure's.
const words = "some words"

// one makes the call with the number n, 0 to 27.
func (c *call) one(n int) {
	switch {
	case n < 7:
		c.list()
	case n < 10:
		c.follow()
	case n < 14:
		c.count()
	case n < 18:
		c.stats()
	case n < 21:
		c.get()
	case n < 23:
		c.export()
	case n < 25:
		c.tail()
	case n < 26:
		c.erase()
	case n < 27 || c.w.calls%2 == 0:
		c.deleteOne()
	default:
		c.deleteAll()
	}
}

func (c *call) list() {
	f, seen := c.filter()
	l := query.Listing{
		Filter: f, Limit: rapid.IntRange(1, 20).Draw(c.rt, "limit"), Offset: int64(rapid.IntRange(0, 3).Draw(c.rt, "offset")),
		Order:  rapid.SampledFrom([]query.Order{query.NewestFirst, query.OldestFirst}).Draw(c.rt, "order"),
		Fields: rapid.SampledFrom([]query.Fields{query.Summary, query.Everything}).Draw(c.rt, "fields"),
	}
	if l.Offset == 0 {
		l.Snapshot = rapid.Bool().Draw(c.rt, "snapshot")
	}
	c.page(l, min(l.Limit, max(0, len(seen)-int(l.Offset))))
}

// page reads a page of n entries; n < 0: of as many as there are.
func (c *call) page(l query.Listing, n int) {
	page, err := c.w.Backend.List(c.ctx, l)
	if err != nil {
		c.rt.Fatal(err)
	}
	for _, e := range page.Entries {
		if own, ok := c.w.entries[e.ID]; !ok || own.Tenant != e.Tenant || !c.sees(own) {
			c.breach("list", e.ID, own.Tenant, e.Tenant)
			return
		}
	}
	if n >= 0 && len(page.Entries) != n {
		c.breach("list", len(page.Entries), n)
	}
	if l.Offset = 0; page.Next != "" {
		l.Cursor = page.Next
		c.w.cursors = append(c.w.cursors, cursor{c.tenant, l})
	}
}

// follow continues from a cursor that was given to any tenant.
func (c *call) follow() {
	if len(c.w.cursors) == 0 {
		return
	}
	given := c.w.cursors[rapid.IntRange(0, len(c.w.cursors)-1).Draw(c.rt, "cursor")]
	if given.tenant == c.tenant {
		c.page(given.l, -1)
		return
	}
	stolen := given.l
	f, err := query.NewFilter(pipeline.Of(c.tenant))
	if err != nil {
		c.rt.Fatal(err)
	}
	f.Match = given.l.Filter.Match
	stolen.Filter = f
	if _, err := c.w.Backend.List(c.ctx, stolen); !errors.Is(err, schema.ErrInvalid) {
		c.rt.Fatalf("%q goes on with a cursor of %q: %v", c.tenant, given.tenant, err)
	}
}

func (c *call) count() {
	f, seen := c.filter()
	got, err := c.w.Backend.Count(c.ctx, f)
	if err != nil {
		c.rt.Fatal(err)
	}
	if got != uint64(len(seen)) {
		c.breach("count", got, len(seen))
	}
}

func (c *call) stats() {
	f, seen := c.filter()
	q := query.Statistics{Filter: f, Top: 10, By: rapid.SampledFrom([]query.Dimension{query.ByNothing, query.ByAction, query.ByPlatform, query.ByDevice}).Draw(c.rt, "by")}
	if rapid.Bool().Draw(c.rt, "by time") {
		q.Interval = time.Hour
	}
	got, err := c.w.Backend.Stats(c.ctx, q)
	if err != nil {
		c.rt.Fatal(err)
	}
	seen = slices.DeleteFunc(seen, func(e schema.Entry) bool { // an entry without a value is in no group
		return q.By == query.ByPlatform && e.Platform == "" || q.By == query.ByDevice && e.Device == ""
	})
	if got.Total != uint64(len(seen)) {
		c.breach("stats", got.Total, len(seen))
	}
}

func (c *call) export() {
	f, seen := c.filter()
	x, err := c.w.Backend.OpenExport(c.ctx, query.Export{Filter: f})
	if err != nil {
		c.rt.Fatal(err)
	}
	defer x.Close()
	got := 0
	err = x.Each(c.ctx, func(e *schema.Entry) error {
		got++
		if own, ok := c.w.entries[e.ID]; !ok || own.Tenant != e.Tenant || !c.sees(own) {
			return errForeign
		}
		return nil
	})
	switch {
	case errors.Is(err, errForeign), err == nil && got != len(seen):
		c.breach("export", got, len(seen), err)
	case err != nil:
		c.rt.Fatal(err)
	}
}

var errForeign = errors.New("a foreign row")

// tail follows from before the check's entries until it has got all of them.
func (c *call) tail() {
	f, seen := c.filter()
	tail, err := c.w.Backend.OpenTail(c.ctx, f, &c.w.begun)
	if err != nil {
		c.rt.Fatal(err)
	}
	defer tail.Close()
	for got := 0; ; {
		timeout := 5 * time.Second
		if got >= len(seen) || c.tenant == schema.AllTenants || c.open {
			timeout = 20 * time.Millisecond // no more entries are expected
		}
		found, err := tail.Next(c.ctx, timeout)
		if err != nil {
			c.rt.Fatal(err)
		}
		for _, e := range found {
			if own, ok := c.w.entries[e.ID]; !ok || own.Tenant != e.Tenant || !c.sees(own) {
				c.breach("tail", e.ID, own.Tenant, e.Tenant)
				return
			}
		}
		got += len(found)
		switch {
		case len(found) > 0:
		case got != len(seen) && c.tenant != schema.AllTenants: // the administrator of all tenants also sees entries of earlier checks
			c.breach("tail", got, len(seen))
			return
		default:
			return
		}
	}
}

// erase erases the likes, and finds the audit entry.
func (c *call) erase() {
	f, err := query.NewFilter(pipeline.Of(c.tenant))
	if err != nil {
		c.rt.Fatal(err)
	}
	f.Action = "like"
	got, err := c.w.Backend.EraseMatching(c.ctx, pipeline.Of(c.tenant), f)
	if c.tenant == schema.AllTenants {
		c.forbidden(err)
		return
	}
	if err != nil {
		c.rt.Fatal(err)
	}
	before := len(c.w.entries)
	maps.DeleteFunc(c.w.entries, func(_ uint64, e schema.Entry) bool { return e.Tenant == c.tenant && e.Action == "like" })
	if gone := before - len(c.w.entries); got != uint64(gone) {
		c.breach("erase", got, gone)
	}
	if got > 0 {
		c.audited(f)
	}
}

// audited waits for the audit entry of an erasure, and adds it to the tenant's entries.
func (c *call) audited(f query.Filter) {
	f.Action = "activity.erase"
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		page, err := c.w.Backend.List(c.ctx, query.Listing{Filter: f, Limit: query.MaxLimit, Fields: query.Everything})
		if err != nil {
			c.rt.Fatal(err)
		}
		for _, e := range page.Entries {
			if _, known := c.w.entries[e.ID]; !known && e.Tenant == c.tenant {
				c.w.entries[e.ID] = e
				c.w.all = append(c.w.all, e.ID)
				return
			}
		}
	}
	c.rt.Fatalf("%q has no audit entry of an erasure", c.tenant)
}

// anyID returns an id of any tenant's, perhaps of an entry that was erased.
func (c *call) anyID() (id uint64, e schema.Entry, there bool) {
	id = rapid.SampledFrom(c.w.all[max(0, len(c.w.all)-60):]).Draw(c.rt, "id")
	e, there = c.w.entries[id]
	return id, e, there
}

func (c *call) get() {
	id, e, there := c.anyID()
	got, err := c.w.Backend.Get(c.ctx, pipeline.Of(c.tenant), id)
	switch mine := there && c.sees(e); {
	case err != nil && !errors.Is(err, schema.ErrNotFound):
		c.rt.Fatal(err)
	case (err == nil) != mine, mine && got.Tenant != e.Tenant:
		c.breach("get", id, e.Tenant, got.Tenant, err)
	}
}

func (c *call) deleteOne() {
	id, e, there := c.anyID()
	err := c.w.Backend.DeleteOne(c.ctx, pipeline.Of(c.tenant), id)
	if c.tenant == schema.AllTenants {
		c.forbidden(err)
		return
	}
	mine := there && c.sees(e)
	switch {
	case err != nil && !errors.Is(err, schema.ErrNotFound):
		c.rt.Fatal(err)
	case (err == nil) != mine:
		c.breach("delete", id, e.Tenant, err)
	case mine:
		delete(c.w.entries, id)
	}
}

func (c *call) deleteAll() {
	err := c.w.Backend.DeleteAll(c.ctx, pipeline.Of(c.tenant))
	if c.tenant == schema.AllTenants {
		c.forbidden(err)
		return
	}
	if err != nil {
		c.rt.Fatal(err)
	}
	maps.DeleteFunc(c.w.entries, func(_ uint64, e schema.Entry) bool { return e.Tenant == c.tenant })
}

func (c *call) forbidden(err error) {
	if !errors.Is(err, schema.ErrForbidden) {
		c.rt.Fatalf("a delete across tenants: got %v, want forbidden", err)
	}
}

// Only an administrator may read all tenants.
func TestAcrossTenants(t *testing.T) {
	reader := schema.Principal{Tenant: schema.AllTenants, Roles: []string{"TenantAdmin"}, Scopes: schema.Scopes()}
	if _, err := query.NewFilter(reader); !errors.Is(err, schema.ErrForbidden) {
		t.Errorf("without the role: got %v, want forbidden", err)
	}
	reader.Roles = []string{"Admin"}
	if _, err := query.NewFilter(reader); err != nil {
		t.Errorf("with the role: %v", err)
	}
}
