package publish

import (
	"net/http"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// Result says what became of a request's entries.
type Result struct {
	Single   bool
	ID       uint64      // of a single entry
	IDs      []uint64    // of a batch, one for each entry; 0: not accepted
	Faults   []ItemFault // of a batch
	Position string      // of the accepted entries in the log; empty when there is none
}

// ItemFault is why an entry of a batch was not accepted.
type ItemFault struct {
	Index int
	Err   error
}

// Accepted is the number of entries that are in the log.
func (r *Result) Accepted() int {
	if r.Single {
		return 1
	}
	return len(r.IDs) - len(r.Faults)
}

// singleResult is the result of a request with one entry.
func (p *Publisher) singleResult(it *item) (*Result, error) {
	id, partition, offset, err := it.result()
	if err != nil {
		return nil, err
	}
	if it.event != nil {
		p.m.repeated.Inc()
	}
	return &Result{Single: true, ID: id, Position: schema.Position{partition: offset}.String()}, nil
}

// batchResult is the result of a batch. It has an error beside it when no entry was accepted.
func (p *Publisher) batchResult(j *job) (*Result, error) {
	res := &Result{IDs: make([]uint64, len(j.items))}
	position := schema.Position{}
	var worst error
	for i := range j.items {
		it := &j.items[i]
		id, partition, offset, err := it.result()
		if err != nil {
			res.Faults = append(res.Faults, ItemFault{i, err})
			worst = worse(worst, err)
			continue
		}
		res.IDs[i] = id
		if it.event != nil {
			p.m.repeated.Inc()
		}
		if it.event != nil || it.index == 0 {
			position.Add(partition, offset) // of the chunk, once
		}
	}
	res.Position = position.String()
	if res.Accepted() == 0 {
		return res, worst
	}
	return res, nil
}

// worse is the error of a batch without an accepted entry: invalid, unless trying again may help.
func worse(a, b error) error {
	switch {
	case api.Status(b) >= http.StatusInternalServerError:
		return b
	case a == nil:
		return errNoneAccepted
	}
	return a
}
