package retain_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/query/internal/fixture/pipeline"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/words"
)

func TestOldTextsAreFolded(t *testing.T) {
	db := fixture.Open(t, testbed.ClickHouse(t))
	cfg := backend.Defaults()
	cfg.Retain.FoldInterval = 50 * time.Millisecond
	reg := prometheus.NewRegistry()
	nowhere := &kafka.Client{Addr: kafka.TCP("127.0.0.1:1"), Timeout: time.Second} // folding needs no Kafka
	s := backend.New(cfg, db.Conn, nowhere, slog.New(slog.DiscardHandler), reg)
	put := func(id uint64, detail, details string) {
		db.Put(t, schema.Entry{Tenant: "a", ID: id, Timestamp: 1_707_724_800_000, Action: "x", Detail: detail, Details: details})
	}
	put(1, "Großer Ärger", "")
	put(2, "", `{"msg":"first\nsecond"}`)
	put(3, "plain", "")
	older := "UPDATE activity SET folded = {unfolded:String} WHERE folded != ''"
	if err := db.Conn.Exec(t.Context(), older, clickhouse.Named("unfolded", words.Unfolded)); err != nil {
		t.Fatal(err)
	}
	found := func(search string) int {
		f, err := query.NewFilter(schema.Principal{Tenant: "a", Subject: "s", Scopes: []schema.Scope{schema.ScopeRead}})
		if err != nil {
			t.Fatal(err)
		}
		f.Search = search
		page, err := s.List(t.Context(), query.Listing{Filter: f, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Entries)
	}
	if found("GROSSER") != 0 || found("second") != 0 || found("Ärger") != 1 || found("plain") != 1 {
		t.Error("what is not folded is not found by the older rules")
	}
	defer pipeline.Background(t, s.Run)()
	pipeline.Eventually(t, func() bool { return found("GROSSER") == 1 && found("second") == 1 && found("plain") == 1 }, "the texts are folded")
	pipeline.Eventually(t, func() bool {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "activity_query_folded_entries_total" {
				return f.GetMetric()[0].GetCounter().GetValue() == 2
			}
		}
		return false
	}, "they are counted")
}
