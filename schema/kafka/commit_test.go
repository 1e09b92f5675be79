package kafka

import (
	"testing"

	"github.com/google/uuid"
)

func TestCommitted(t *testing.T) {
	origin, other := uuid.New(), uuid.New()
	first := Log{Origin: origin, Epochs: []Epoch{{}}}
	cut := Log{Origin: origin, Epochs: []Epoch{{}, {Base: EpochStep, From: map[int]int64{0: 7}}, {Base: 2 * EpochStep, From: map[int]int64{1: 3}}}}
	adopted := Log{Origin: other, Epochs: []Epoch{{Base: EpochStep}}}
	for name, c := range map[string]struct {
		log       *Log
		commit    Commit
		partition int
		want      int64
	}{
		"of the log":                        {&first, first.Commit(), 0, 10},
		"of a version without identities":   {&first, NoCommit(), 0, 10},
		"from before the log lost its end":  {&cut, first.Commit(), 0, 7},
		"of another partition":              {&cut, first.Commit(), 2, 10},
		"from between":                      {&cut, Commit{Origin: first.origin(), Epochs: 2}, 0, 10},
		"from before the second loss":       {&cut, Commit{Origin: first.origin(), Epochs: 2}, 1, 3},
		"from now":                          {&cut, cut.Commit(), 1, 10},
		"from later than is known":          {&first, cut.Commit(), 0, 10},
		"of another topic of entries":       {&adopted, first.Commit(), 0, None},
		"of another topic, an old version":  {&adopted, NoCommit(), 0, None},
		"of the log that took its place":    {&first, adopted.Commit(), 0, None},
		"of the log that is adopted itself": {&adopted, adopted.Commit(), 0, 10},
	} {
		if got := c.log.Committed(c.partition, 10, c.commit); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
	if first.Current(NoCommit()) || !cut.Current(cut.Commit()) || cut.Current(first.Commit()) {
		t.Error("Current() is wrong about a commit of now, or of before")
	}
}
