package testbed_test

import (
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
)

func TestClickHouse(t *testing.T) {
	first, second := connect(t, testbed.ClickHouse(t)), connect(t, testbed.ClickHouse(t))
	for _, c := range []clickhouse.Conn{first, second} {
		if err := c.Exec(t.Context(), "CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a"); err != nil {
			t.Fatal(err)
		}
	}
	b, err := first.PrepareBatch(t.Context(), "INSERT INTO t")
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(10) {
		if err := b.Append(i, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Send(); err != nil {
		t.Fatal(err)
	}
	for c, want := range map[clickhouse.Conn]uint64{first: 10, second: 0} {
		var got uint64
		if err := c.QueryRow(t.Context(), "SELECT count() FROM t WHERE b = {b:String}", clickhouse.Named("b", "x")).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("count is %d, want %d", got, want)
		}
	}
	begin := time.Now()
	for range 200 {
		var one uint8
		if err := first.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil || one != 1 {
			t.Fatalf("SELECT 1 is %d, %v", one, err)
		}
	}
	t.Logf("SELECT 1 takes %v", time.Since(begin)/200)
}

func connect(t *testing.T, dsn string) clickhouse.Conn {
	t.Helper()
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
