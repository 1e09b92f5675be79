package oracle

import (
	"context"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/activitylog/activitylog/cmd/loadgen/journal"
	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

func TestJudge(t *testing.T) {
	source := workload.New(1, 100, 1_795_219_200_000)
	row := func(id uint64, i int) Row {
		e, err := source.Entry(i)
		if err != nil {
			t.Fatal(err)
		}
		if e.Details == nil {
			e.Details = []byte{}
		}
		return Row{ID: id, Index: i, Entry: e}
	}
	altered := row(11, 1)
	altered.Serial = "other"
	acknowledged := map[uint64]int{10: 0, 11: 1, 12: 2}
	all := []Row{row(10, 0), row(11, 1), row(12, 2)}
	for name, c := range map[string]struct {
		rows    []Row
		unknown map[int]int
		want    Verdict
	}{
		"exact":                  {all, nil, Verdict{Stored: 3}},
		"lost":                   {all[:2], nil, Verdict{Stored: 2, Lost: 1}},
		"twice":                  {append(all[:3:3], all[0]), nil, Verdict{Stored: 4, Twice: 1}},
		"unexpected":             {append(all[:3:3], row(20, 5)), nil, Verdict{Stored: 4, Unexpected: 1}},
		"foreign":                {append(all[:3:3], Row{ID: 30, Index: -1}), nil, Verdict{Stored: 4, Unexpected: 1}},
		"again under another id": {append(all[:3:3], row(20, 0)), nil, Verdict{Stored: 4, Unexpected: 1}},
		"unanswered turned up":   {append(all[:3:3], row(20, 5)), map[int]int{5: 1, 6: 1}, Verdict{Stored: 4, Unanswered: 2, TurnedUp: 1}},
		"unanswered twice":       {append(all[:3:3], row(20, 5), row(21, 5)), map[int]int{5: 1}, Verdict{Stored: 5, Unanswered: 1, TurnedUp: 1, Unexpected: 1}},
		"altered":                {[]Row{all[0], altered, all[2]}, nil, Verdict{Stored: 3, Altered: 1}},
		"another entry's id":     {[]Row{all[0], row(11, 2), all[2]}, nil, Verdict{Stored: 3, Altered: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			j := &journal.Journal{Head: journal.Head{Seed: source.Seed, Total: source.Total, Start: source.Start}, Acknowledged: acknowledged, Unknown: maps.Clone(c.unknown)}
			got, err := Judge(t.Context(), j, func(_ context.Context, each func(Row) error) error {
				for _, r := range c.rows {
					if err := each(r); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			c.want.Acknowledged, got.Examples = 3, nil
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
			if got.Wrong() == (name == "exact" || name == "unanswered turned up") {
				t.Errorf("Wrong() = %v", got.Wrong())
			}
		})
	}
}
