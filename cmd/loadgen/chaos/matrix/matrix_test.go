package matrix

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
)

func TestRowsAreTheMatrix(t *testing.T) {
	for i, row := range Rows {
		number := i + 1
		if number == 25 { // is not run
			number++
		}
		if row.Number != number || row.Fault == "" || row.Pass == "" || row.run == nil {
			t.Errorf("row %d of the table is %+v", number, row)
		}
	}
	if len(Rows) != 25 {
		t.Errorf("%d rows, want 25", len(Rows))
	}
	rows, err := chosen([]int{7, 3})
	if err != nil || len(rows) != 2 || rows[0].Number != 7 || rows[1].Number != 3 {
		t.Errorf("chosen(7, 3) = %v, %v", rows, err)
	}
	if _, err := chosen([]int{25}); err == nil {
		t.Error("chosen(25) = nil, want an error: tests of packages check it")
	}
}

func TestRegressionSeedsRunAgain(t *testing.T) {
	for seed, want := range map[uint64][]uint64{7: {7, 43}, 43: {43}} {
		if got := seedsOf(Row{Number: 13}, seed); !slices.Equal(got, want) {
			t.Errorf("row 13 with seed %d is run with %v, want %v", seed, got, want)
		}
	}
	if got := seedsOf(Row{Number: 1}, 7); !slices.Equal(got, []uint64{7}) {
		t.Errorf("row 1 with seed 7 is run with %v", got)
	}
}

func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		run  func(context.Context, *trial) error
		want string
	}{
		"held":   {func(_ context.Context, t *trial) error { t.within("time", 1, 2); return nil }, Held},
		"slow":   {func(_ context.Context, t *trial) error { t.within("time", 2, 1); return nil }, Slow},
		"failed": {func(_ context.Context, t *trial) error { t.within("time", 2, 1); t.fail("lost"); return nil }, Broken},
		"memory": {func(_ context.Context, t *trial) error { t.memory("memory", 2<<20, 1<<20); return nil }, Broken},
		"error":  {func(context.Context, *trial) error { return errors.New("no disk") }, Broken},
		"a run":  {func(_ context.Context, t *trial) error { t.take(&chaos.Report{}); return nil }, Held},
		"a wrong": {func(_ context.Context, t *trial) error {
			t.take(&chaos.Report{Violations: []string{"1 lost"}})
			return nil
		}, Broken},
		"no test": {checkedBy("./no/such/package", "TestNothing"), Broken},
	} {
		cfg := Config{Config: chaos.Config{Dir: t.TempDir(), Say: func(string, ...any) {}}, Progress: func(string, ...any) {}}
		rep := runRow(t.Context(), cfg, Row{Number: 1, Fault: name, run: c.run})
		if rep.Verdict != c.want || rep.Took <= 0 || rep.Took > time.Minute {
			t.Errorf("%s: verdict %q after %v, reasons %v; want %q", name, rep.Verdict, rep.Took, rep.Reasons, c.want)
		}
	}
}

func TestPoisonIsOfManyKinds(t *testing.T) {
	values, err := poison()
	if err != nil || len(values) < 10 {
		t.Fatalf("poison() = %d values, %v", len(values), err)
	}
	for i, v := range values {
		if slices.ContainsFunc(values[:i], func(w []byte) bool { return string(v) == string(w) }) {
			t.Errorf("value %d appears twice", i)
		}
	}
}
