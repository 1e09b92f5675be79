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

// The gauges show the parts and bytes of each table and the space of each disk.
func TestUsageIsMeasured(t *testing.T) {
	db := fixture.Open(t, testbed.ClickHouse(t))
	cfg := backend.Defaults()
	cfg.Retain.UsageInterval = 50 * time.Millisecond
	reg := prometheus.NewRegistry()
	nowhere := &kafka.Client{Addr: kafka.TCP("127.0.0.1:1"), Timeout: time.Second} // sizes need no Kafka
	s := backend.New(cfg, db.Conn, nowhere, slog.New(slog.DiscardHandler), reg)
	db.Put(t, schema.Entry{Tenant: "a", ID: 1, Timestamp: 1_707_724_800_000, Action: "x"})
	defer pipeline.Background(t, s.Run)()
	pipeline.Eventually(t, func() bool {
		got := gauges(t, reg)
		free, size := got["activity_query_disk_free_bytes default"], got["activity_query_disk_size_bytes default"]
		return got["activity_query_table_parts activity"] == 1 && got["activity_query_partition_parts activity"] == 1 &&
			got["activity_query_table_bytes activity"] > 100 && free > 0 && free <= size
	}, "the table with one part and the disk are measured")
}

// gauges are the values of all gauges with one label, by their name and the label's value.
func gauges(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetGauge() != nil && len(m.GetLabel()) == 1 {
				all[f.GetName()+" "+m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	return all
}
