package chaos

import (
	"testing"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/oracle"
	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

// What the oracle must see, each on a run of three acknowledged entries with the ids 10, 11 and 12 and one that was refused.
func TestCompareSeesEachKindOfFault(t *testing.T) {
	source := workload.New(1, 1000, 1_795_219_200_000)
	for name, c := range map[string]struct {
		before func(*Run)
		rows   func(*testing.T, *Run) []oracle.Row
		want   Entries
	}{
		"exact":               {nil, stored(0, 1, 2), Entries{MustStay: 3, MustGo: 1}},
		"lost":                {nil, stored(0, 2), Entries{MustStay: 3, MustGo: 1, Lost: 1}},
		"twice":               {nil, stored(0, 1, 2, 2), Entries{MustStay: 3, MustGo: 1, Twice: 1}},
		"refused, yet stored": {nil, stored(0, 1, 2, 3), Entries{MustStay: 3, MustGo: 1, Resurrected: 1}},
		"never sent":          {nil, stored(0, 1, 2, 9), Entries{MustStay: 3, MustGo: 1, Unexpected: 1}},
		"deleted, yet stored": {func(r *Run) { r.Model.erased(1) }, stored(0, 1, 2), Entries{MustStay: 2, MustGo: 2, Resurrected: 1}},
		"wiped, yet stored":   {wiped, stored(1), Entries{MustGo: 4, Resurrected: 1}},
		"wiped":               {wiped, stored(), Entries{MustGo: 4}},
		"altered": {nil, func(t *testing.T, r *Run) []oracle.Row {
			rows := stored(0, 1, 2)(t, r)
			rows[1].Serial = "other"
			return rows
		}, Entries{MustStay: 3, MustGo: 1, Altered: 1}},
		"another id": {nil, func(t *testing.T, r *Run) []oracle.Row {
			rows := stored(0, 1, 2)(t, r)
			rows[1].ID = 99
			return rows
		}, Entries{MustStay: 3, MustGo: 1, OtherID: 1, Unexpected: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Run{Config: Config{Say: func(string, ...any) {}}, Model: newModel(), counts: map[string]int{}, Source: source}
			r.Model.Take(4, false)
			for i := range 3 {
				r.Model.told(i, acknowledged, uint64(10+i))
			}
			r.Model.told(3, refused, 0)
			if c.before != nil {
				c.before(r)
			}
			var got Entries
			seen := map[int]int{}
			for _, row := range c.rows(t, r) {
				r.compareRow(row, &got)
				seen[row.Index]++
			}
			r.countFates(seen, &got)
			c.want.Sent, c.want.Acknowledged = 4, 3
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func stored(entries ...int) func(*testing.T, *Run) []oracle.Row {
	return func(t *testing.T, r *Run) []oracle.Row {
		var rows []oracle.Row
		for _, i := range entries {
			e, err := r.Source.Entry(i)
			if err != nil {
				t.Fatal(err)
			}
			if e.Details == nil {
				e.Details = []byte{}
			}
			rows = append(rows, oracle.Row{ID: uint64(10 + i), Index: i, Entry: e})
		}
		return rows
	}
}

func wiped(r *Run) {
	at := r.Model.beginWipe()
	time.Sleep(time.Millisecond)
	r.Model.endWipe(at, true)
}
