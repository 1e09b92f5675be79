package retain_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/query/internal/fixture/pipeline"
	"github.com/activitylog/activitylog/schema"
)

func TestPatchesAreApplied(t *testing.T) {
	db := fixture.Open(t, testbed.ClickHouse(t))
	cfg := backend.Defaults()
	cfg.Retain.PatchInterval = 50 * time.Millisecond
	reg := prometheus.NewRegistry()
	nowhere := &kafka.Client{Addr: kafka.TCP("127.0.0.1:1"), Timeout: time.Second} // patches need no Kafka
	s := backend.New(cfg, db.Conn, nowhere, slog.New(slog.DiscardHandler), reg)
	for i := range uint64(20) {
		db.Put(t, schema.Entry{Tenant: "a", ID: i + 1, Timestamp: 1_707_724_800_000, Action: "x"})
	}
	if err := db.Erase(t.Context(), "tenant = 'a' AND id = 3"); err != nil {
		t.Fatal(err)
	}
	defer pipeline.Background(t, s.Run)()
	pipeline.Eventually(t, func() bool {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "activity_query_patch_applies_total" {
				return f.GetMetric()[0].GetCounter().GetValue() >= 1
			}
		}
		return false
	}, "the patches are applied")
	pipeline.Eventually(t, func() bool {
		var mutations uint64
		const failed = "SELECT count() FROM system.mutations WHERE database = currentDatabase() AND NOT is_done"
		if err := db.Conn.QueryRow(t.Context(), failed).Scan(&mutations); err != nil {
			t.Fatal(err)
		}
		return mutations == 0
	}, "no mutation is left over")
}
