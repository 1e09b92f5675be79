package clickhouse

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	schemaclickhouse "github.com/activitylog/activitylog/schema/clickhouse"
)

// TestTablesAreLookedAtAgain: if a table is dropped while the process runs, the process is not ready, and the check names the table.
func TestTablesAreLookedAtAgain(t *testing.T) {
	opts, err := clickhouse.ParseDSN(testbed.ClickHouse(t))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := Current(t.Context(), conn); err == nil || !strings.Contains(err.Error(), "activityctl migrate") {
		t.Errorf("without tables: got %v, want what makes them", err)
	}
	if _, err := schemaclickhouse.Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	tables := Tables(conn, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tables.Run(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); tables.Ready(ctx) != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(tables.Ready(ctx))
		}
	}
	for _, table := range []string{"by_kind", "retention", "dead_letters", "logs"} {
		for _, c := range []struct{ from, to, missing string }{{table, "gone", table}, {"gone", table, ""}} {
			if err := conn.Exec(ctx, "RENAME TABLE "+c.from+" TO "+c.to); err != nil {
				t.Fatal(err)
			}
			err := tables.Ready(ctx)
			if (err != nil) != (c.missing != "") || err != nil && !strings.Contains(err.Error(), "table "+c.missing) {
				t.Errorf("%s is now %s: got %v, want missing: %q", c.from, c.to, err, c.missing)
			}
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
