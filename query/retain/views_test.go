package retain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/query/visible"
	"github.com/activitylog/activitylog/schema"
)

// many are entries of a tenant that differ in everything that the views unpack. The lengths are those at which an encoding changes.
func many(tenant string, firstID uint64) (all []schema.Entry) {
	text := func(n int, s string) string { return strings.Repeat(s, n) }
	for i, x := range []schema.Extra{
		{},
		{IPAddress: "192.0.2.1"},
		{UserAgent: text(127, "u")},
		{UserAgent: text(128, "u"), Layer: "web"},
		{ActorLabel: "Ada L\xc3\xb6ve", IPAddress: "2001:db8::1", UserAgent: text(1024, "\""), Layer: text(129, "l")},
		{Layer: "2\"*\x1a\x22"},
		{ActorLabel: text(200, "\n"), Layer: "x"},
	} {
		for n := range 4 {
			e := schema.Entry{
				Tenant: tenant, ID: firstID + uint64(len(all)), Timestamp: base + int64(len(all))*hourMs/3, Action: fmt.Sprint("action", i),
				Platform: []string{"ios", ""}[n%2], Device: []string{"", "d1", "d2"}[n%3], ActorID: []string{"", "u1"}[i%2], ActorKind: []string{"", "business"}[n%2],
				Detail: "it's", Details: `{"a":1}`, RequestID: "r", Extra: x,
			}
			if n == 3 {
				e.ActorName = "ada"
			}
			for k := range n {
				e.Targets = append(e.Targets, schema.Target{Type: "THING", ID: fmt.Sprint("t", k), Name: []string{"", text(130, "n"), "\x1a"}[(i+k)%3]})
			}
			all = append(all, e)
		}
	}
	return all
}

// shown are the entries of a tenant as the view has them, one a line.
const shown = `SELECT groupArray(concat(toString(id), ' ', toString(toUnixTimestamp64Milli(timestamp)), ' ', toString(
  (action, platform, device, account, actor_id, actor_name, actor_kind, actor_label, target_types, target_ids, target_names,
   request_id, detail, details, ip_address, user_agent, layer))))
FROM (SELECT * FROM entries WHERE tenant = {tenant:String} ORDER BY id)`

// line is an entry as shown has it.
func line(e schema.Entry) string {
	var types, ids, labels []string
	for _, t := range e.Targets {
		types, ids, labels = append(types, t.Type), append(ids, t.ID), append(labels, t.Name)
	}
	list := func(all []string) string {
		for i := range all {
			all[i] = quoted(all[i])
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	values := []string{
		quoted(e.Action), quoted(e.Platform), quoted(e.Device), quoted(cmp.Or(e.ActorName, e.ActorID)), quoted(e.ActorID), quoted(e.ActorName), quoted(e.ActorKind),
		quoted(e.Extra.ActorLabel), list(types), list(ids), list(labels), quoted(e.RequestID), quoted(e.Detail), quoted(e.Details),
		quoted(e.Extra.IPAddress), quoted(e.Extra.UserAgent), quoted(e.Extra.Layer),
	}
	return fmt.Sprintf("%d %d (%s)", e.ID, e.Timestamp, strings.Join(values, ","))
}

func quoted(s string) string {
	return "'" + strings.NewReplacer("\\", "\\\\", "'", "\\'", "\n", "\\n").Replace(s) + "'"
}

// agree compares the views with what the query service answers to the tenant.
func agree(t *testing.T, r *replica, tables *fixture.Database, tenant string) (entries uint64) {
	t.Helper()
	f := filterOf(t, tenant)
	page, err := r.List(t.Context(), query.Listing{Filter: f, Limit: query.MaxLimit, Fields: query.Everything})
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	slices.SortFunc(page.Entries, func(a, b schema.Entry) int { return cmp.Compare(a.ID, b.ID) })
	for _, e := range page.Entries {
		want = append(want, line(e))
	}
	if err := tables.Conn.QueryRow(t.Context(), strings.ReplaceAll(shown, "{tenant:String}", "'"+tenant+"'")).Scan(&got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: the view has\n%s\nthe service lists\n%s", tenant, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if entries, err = r.Count(t.Context(), f); err != nil || entries != uint64(len(want)) {
		t.Errorf("%s: the service counts %d, %v and lists %d", tenant, entries, err, len(want))
	}
	count := func(view, where string, narrow func(*query.Filter)) {
		t.Helper()
		f := filterOf(t, tenant)
		narrow(&f)
		want, err := r.Count(t.Context(), f)
		var got uint64
		text := "SELECT sum(entries) FROM " + view + " WHERE tenant = '" + tenant + "' AND " + where
		if err2 := tables.Conn.QueryRow(t.Context(), text).Scan(&got); err != nil || err2 != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d, %v", text, got, err2, want, err)
		}
	}
	count("hourly", "1", func(*query.Filter) {})
	count("hourly", "platform = 'ios' AND action = 'action3'", func(f *query.Filter) { f.Platform, f.Action = "ios", "action3" })
	count("hourly", "hour >= '2024-02-12 10:00:00'", func(f *query.Filter) { f.Start = base + 2*hourMs })
	count("daily_by_device", "device = 'd1'", func(f *query.Filter) { f.Device = "d1" })
	count("daily_by_account", "account = 'ada'", func(f *query.Filter) { f.Username = "ada" })
	count("daily_by_account", "account = 'u1'", func(f *query.Filter) { f.Username = "u1" })
	count("ingest_lag", "1", func(*query.Filter) {})
	return entries
}

// The views show what the query service shows: after writes, deletes, and changes of a tenant's retention and of everybody's.
func TestViewsAgreeWithTheService(t *testing.T) {
	fixture.SameDay(t)
	r, tables := openReplica(t)
	tables.Put(t, many("a", 1)...)
	tables.Put(t, many("b", 1)...)
	tables.Put(t, aged("a", 1000, 2, 3, 4, 30)...)
	tables.Put(t, aged("b", 1000, 2, 30, 44, 45, 46, 50)...)
	check := func(a, b uint64) {
		t.Helper()
		for tenant, want := range map[string]uint64{"a": a, "b": b, "nobody": 0} {
			if got := agree(t, r, tables, tenant); got != want {
				t.Errorf("%s has %d entries, want %d", tenant, got, want)
			}
		}
	}
	check(28+4, 28+4)
	if err := tables.Erase(t.Context(), "tenant = 'a' AND id IN (3, 9, 1000)"); err != nil {
		t.Fatal(err)
	}
	check(28+4-3, 28+4)
	expired := uint64(1)
	if done, err := r.SetRetention(t.Context(), adminOf("a"), Change{Days: 4, Confirm: &expired}); err != nil || done.DryRun {
		t.Fatalf("got %+v, %v", done, err)
	}
	check(28+4-3-1, 28+4)
	none := uint64(0)
	if _, err := r.SetRetention(t.Context(), adminOf("a"), Change{Days: 50, Confirm: &none}); err != nil { // what has gone stays gone
		t.Fatal(err)
	}
	check(28+4-3-1, 28+4)
	var from time.Time
	if err := tables.Conn.QueryRow(t.Context(), "SELECT visible_from FROM retention_now WHERE tenant = 'a'").Scan(&from); err != nil {
		t.Fatal(err)
	}
	if want := time.Now().UTC().AddDate(0, 0, -4).Format(time.DateOnly); from.Format(time.DateOnly) != want {
		t.Errorf("a is visible from %s, want %s", from.Format(time.DateOnly), want)
	}
}

// The views know for how long the query service shows the entries of tenants that have not set it.
func TestViewsKnowTheDefaultRetention(t *testing.T) {
	fixture.SameDay(t)
	_, tables := openReplica(t)
	tables.Put(t, aged("a", 1, 2, 29, 31, 45)...)
	for i, days := range []int{45, 30, 30, 60} {
		r := newReplica(tables)
		r.tables.visible = visible.New(visible.Config{RetentionDays: days}, r.tables.db)
		for range 2 {
			if err := r.tables.tell(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var got uint16
		var shown, rows uint64
		const text = "SELECT days, (SELECT tuple(count()) FROM entries).1, (SELECT tuple(count()) FROM retention_default).1 FROM retention_now WHERE tenant = ''"
		if err := tables.Conn.QueryRow(t.Context(), text).Scan(&got, &shown, &rows); err != nil {
			t.Fatal(err)
		}
		if want := []uint64{4, 2, 2, 4}[i]; int(got) != days || shown != want {
			t.Errorf("retention %d: the views have %d days and %d entries, want %d", days, got, shown, want)
		}
		if want := []uint64{1, 2, 2, 3}[i]; rows != want {
			t.Errorf("retention %d: got %d rows, want %d: one for each change", days, rows, want)
		}
	}
}
