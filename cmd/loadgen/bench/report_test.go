package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/workload"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
)

func TestReportGroupsByPart(t *testing.T) {
	r := Report{
		Machine: Machine{CPU: "cpu", Cores: 2, Memory: "8 GB", System: "linux/amd64", Go: "go1", Commit: "abc", Date: time.Unix(0, 0).UTC()},
		Figures: []Figure{{"burst", "stored", "1/s", "≥ 2/s", "n"}, {"burst", "accepted", "3/s", "", ""}, {"idle", "CPU", "1 %", "≤ 2 %", ""}},
	}
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"commit abc, 1970-01-01, 2 × cpu", "## Ingest, a burst\n\n| what |", "| stored | 1/s | ≥ 2/s | n |\n| accepted |", "## At rest"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, b.String())
		}
	}
}

func TestEveryPartHasATitle(t *testing.T) {
	for _, p := range Parts {
		if titles[p] == "" {
			t.Errorf("part %s has no title", p)
		}
	}
}

func TestPackedRecordIsOneThatTheConsumerReads(t *testing.T) {
	value, entries := packed(workload.New(1, 1000, 1_795_219_200_000))
	var b activitypb.ActivityBatch
	if err := schema.DecodeRecord(value, &b); err != nil {
		t.Fatal(err)
	}
	if entries != schema.MaxRecordEntries || len(b.Chunks) != 1 || len(b.Chunks[0].Entries) != entries {
		t.Errorf("%d entries, decoded %d chunks", entries, len(b.Chunks))
	}
}
