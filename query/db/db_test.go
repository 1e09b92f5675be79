package db

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// base is an hour's beginning.
const base = int64(1_707_724_800_000)

func open(t *testing.T) (*DB, *fixture.Database) {
	t.Helper()
	f := fixture.Open(t, testbed.ClickHouse(t))
	return New(Defaults(), f.Conn), f
}

func TestSecondTenantFilter(t *testing.T) {
	d, f := open(t)
	f.Put(t, schema.Entry{Tenant: "a", ID: 1, Timestamp: base, Action: "x", Device: "d"}, schema.Entry{Tenant: "b'\\", ID: 2, Timestamp: base, Action: "x", Device: "d"})
	for tenant, want := range map[string]uint64{"a": 1, "b'\\": 1, "c": 0, "') OR 1=1 --": 0} {
		for _, table := range []string{"activity", "by_kind", "(SELECT * FROM by_entity)"} {
			var n uint64
			q := Statement{Text: "SELECT uniqExact(tenant) FROM " + table}
			if err := d.One(t.Context(), tenant, q, &n); err != nil || n != want {
				t.Errorf("tenants that %q sees in %s without a predicate: got %d, %v, want %d", tenant, table, n, err, want)
			}
		}
	}
	const readonly = 164
	var e *clickhouse.Exception
	if _, err := d.Query(t.Context(), "a", Statement{Text: "ALTER TABLE activity DELETE WHERE 1"}); !errors.As(err, &e) || e.Code != readonly {
		t.Errorf("a reader writes: got %v, want code %d", err, readonly)
	}
}

func TestNoFilterForAllTenants(t *testing.T) {
	if filter := tenantFilter(schema.AllTenants); filter != "{}" {
		t.Errorf("got %s, want no filter", filter)
	}
}

func TestQueryWithoutATenant(t *testing.T) {
	d, _ := open(t)
	if _, err := d.Query(t.Context(), "", Statement{Text: "SELECT 1"}); api.Status(err) != 401 {
		t.Errorf("got %v, want unauthenticated", err)
	}
}

func TestReady(t *testing.T) {
	d, _ := open(t)
	if err := d.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestQueryEndsWithItsCaller(t *testing.T) {
	d, f := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	const slow = "SELECT sum(sipHash64(number)) FROM numbers(100000000000)"
	go func() { failed <- d.One(ctx, "a", Statement{Text: slow}, new(uint64)) }()
	running := func() (n uint64) {
		const count = "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64(number)) FROM numbers(1000%' AND query NOT LIKE '%processes%'"
		if err := f.Conn.QueryRow(t.Context(), count).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	await(t, 5*time.Second, func() bool { return running() == 1 })
	start := time.Now()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	await(t, 2*time.Second, func() bool { return running() == 0 })
	if took := time.Since(start); took > 500*time.Millisecond { // 200 ms on a quiet machine
		t.Errorf("the query lived on for %s", took)
	}
}

func await(t *testing.T, timeout time.Duration, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(timeout); !done(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen in time")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestClickHouseFaults(t *testing.T) {
	d, _ := open(t)
	for text, want := range map[string]error{
		"SELECT sum(sipHash64(number)) FROM numbers(100000000000)":                  schema.ErrTimeout,
		"SELECT uniqExact(number) FROM numbers(300000000) SETTINGS max_threads = 2": schema.ErrUnavailable,
		"SELECT count() FROM no_such_table":                                         schema.ErrUnavailable,
	} {
		d.cfg.MaxMemory, d.cfg.QueryTimeout = 64<<20, time.Minute
		if want == schema.ErrTimeout { //nolint:errorlint // a value of this table
			d.cfg.QueryTimeout = time.Second
		}
		if err := d.One(t.Context(), "a", Statement{Text: text}, new(uint64)); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", text, err, want)
		}
	}
	if err := d.One(t.Context(), "a", Statement{Text: "SELECT nonsense("}, new(uint64)); api.Status(err) != 500 {
		t.Errorf("a fault of ours: got %v, want an internal error", err)
	}
}
