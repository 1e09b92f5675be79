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
		Figures: []*Figure{
			{Part: "idle", What: "CPU", Unit: "%.0f %%", Goal: atMost(2), Values: []float64{1}},
			{Part: "burst", What: "stored", Unit: "%.0fk/s", Goal: atLeast(20), Note: "n", Values: []float64{9, 10, 30}},
			{Part: "burst", What: "accepted", Unit: "%.0f/s", Values: []float64{3}},
		},
	}
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	const want = "## Ingest, a burst\n\n| what | measured | goal | note |\n|---|---|---|---|\n" +
		"| stored | 10k/s (9k/s … 30k/s) | ≥ 20k/s **missed: 0.50 ×** | n |\n| accepted | 3/s |  |  |\n\n## At rest\n\n" +
		"| what | measured | goal | note |\n|---|---|---|---|\n| CPU | 1 % | ≤ 2 % ✓ |  |\n"
	if got := b.String(); !strings.HasSuffix(got, want) || !strings.Contains(got, "commit abc, 1970-01-01, 2 × cpu") || strings.Contains(got, "VictoriaLogs") {
		t.Errorf("got %s\nwant at its end %s", got, want)
	}
}

func TestThePeerHasAColumnWhereItWasMeasured(t *testing.T) {
	r := Report{Peer: "v1.2.3", Figures: []*Figure{
		{Part: "burst", What: "stored", Unit: "%.0f/s", Values: []float64{3}, Peer: []float64{1, 2}},
		{Part: "burst", What: "rows", Unit: "%.0f", Values: []float64{4}},
		{Part: "idle", What: "CPU", Unit: "%.0f", Values: []float64{5}},
	}}
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"VictoriaLogs v1.2.3", "| what | measured | VictoriaLogs | goal | note |", "| stored | 3/s | 2/s (1/s … 2/s) |", "| rows | 4 |  |", "| what | measured | goal | note |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, b.String())
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		of   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.of); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.of, got, c.want)
		}
	}
}

func TestFiguresOfRoundsAreOne(t *testing.T) {
	b := &bench{Config: Config{Say: t.Logf}, report: &Report{}, part: "limits"}
	f := Figure{What: "rate", Unit: "%.0f"}
	b.add(f, 1)
	b.add(f, 3)
	b.part = "burst"
	b.add(f, 8)
	b.set(f, 10)
	b.addPeer("rate", "%.0f", 5)
	if got := b.median("limits", "rate"); got != 2 || len(b.report.Figures) != 2 {
		t.Errorf("got %v of %d figures, want 2 of 2", got, len(b.report.Figures))
	}
	b.ratio("ratios", "of the limit", atLeast(1), b.median("burst", "rate"), b.median("limits", "rate"))
	b.ratio("ratios", "of what was not measured", atLeast(1), 1, b.median("idle", "rate"))
	if got := b.median("ratios", "of the limit"); got != 5 || len(b.report.Figures) != 3 {
		t.Errorf("got %v of %d figures, want 5 of 3", got, len(b.report.Figures))
	}
}

func TestEveryPartHasATitle(t *testing.T) {
	for _, p := range order {
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
