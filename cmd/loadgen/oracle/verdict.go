package oracle

import (
	"context"

	"github.com/activitylog/activitylog/cmd/loadgen/journal"
	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

// Verdict is the outcome of checking the entries of a journal.
type Verdict struct {
	Acknowledged int      `json:"acknowledged"`
	Stored       int      `json:"stored"`
	Lost         int      `json:"lost"`       // acknowledged, not stored
	Twice        int      `json:"twice"`      // ids that are stored more than once, or were acknowledged for two entries
	Unexpected   int      `json:"unexpected"` // stored, never sent; or stored more often than sent
	Altered      int      `json:"altered"`    // stored with other contents than sent
	Unanswered   int      `json:"unanswered"` // sent without an answer
	TurnedUp     int      `json:"turned_up"`  // of those, stored
	Examples     []uint64 `json:"examples,omitempty"`
}

// Wrong says whether anything is wrong.
func (v *Verdict) Wrong() bool { return v.Lost+v.Twice+v.Unexpected+v.Altered > 0 }

func (v *Verdict) count(n *int, id uint64) {
	*n++
	if len(v.Examples) < 10 {
		v.Examples = append(v.Examples, id)
	}
}

// Judge compares the stored entries with the journal.
func Judge(ctx context.Context, j *journal.Journal, rows Rows) (Verdict, error) {
	v := Verdict{Acknowledged: len(j.Acknowledged)}
	for _, n := range j.Unknown {
		v.Unanswered += n
	}
	for _, id := range j.Repeated {
		v.count(&v.Twice, id)
	}
	source := workload.New(j.Seed, j.Total, j.Start+workload.Span)
	seen := make(map[uint64]bool, len(j.Acknowledged))
	attempts := j.Unknown // each explains one stored entry without an acknowledged id
	err := rows(ctx, func(r Row) error {
		v.Stored++
		index, acknowledged := j.Acknowledged[r.ID]
		switch {
		case seen[r.ID]:
			v.count(&v.Twice, r.ID)
		case acknowledged && index != r.Index:
			v.count(&v.Altered, r.ID)
		case !acknowledged && attempts[r.Index] == 0:
			v.count(&v.Unexpected, r.ID)
		case !acknowledged:
			attempts[r.Index]--
			v.TurnedUp++
		}
		if r.Index >= 0 && (!acknowledged || index == r.Index) && !r.Same(source) {
			v.count(&v.Altered, r.ID)
		}
		seen[r.ID] = true
		return nil
	})
	for id := range j.Acknowledged {
		if err == nil && !seen[id] {
			v.count(&v.Lost, id)
		}
	}
	return v, err
}
