package publish

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// Result has the outcome of a request's entries.
type Result struct {
	Single   bool
	ID       uint64      // of a single entry
	IDs      []uint64    // of a batch, one for each entry; 0: not accepted
	Faults   []ItemFault // of a batch
	Position string      // of the accepted entries in the log; empty when there is none
}

// ItemFault is the reason why an entry of a batch was not accepted.
type ItemFault struct {
	Index int
	Err   error
}

// Accepted returns the number of entries that are in the log.
func (r *Result) Accepted() int {
	if r.Single {
		return 1
	}
	return len(r.IDs) - len(r.Faults)
}

// singleResult returns the result of a request with one entry.
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

// batchResult returns the result of a batch. It comes with an error if no entry was accepted.
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

// worse returns the error of a batch without an accepted entry: invalid, unless trying again may help. If the outcome of one entry is unknown,
// so is the outcome of the batch, whatever happened to the others: 503 promises that nothing was accepted.
func worse(a, b error) error {
	switch {
	case errors.Is(a, schema.ErrTimeout):
		return a
	case api.Status(b) >= http.StatusInternalServerError:
		return b
	case a == nil:
		return errNoneAccepted
	}
	return a
}

// Error is an error whose text is meant for the caller.
type Error struct {
	Kind error // one of schema's
	Text string
}

func (e *Error) Error() string { return e.Text }
func (e *Error) Unwrap() error { return e.Kind }

// ErrBusy refuses a request because too much is in memory already.
var ErrBusy = &Error{schema.ErrUnavailable, "too much is waiting to be written, nothing was accepted: try again"}

// Why a write was refused. The text of each schema.ErrUnavailable says that nothing was accepted; an outcome that is not known is
// a schema.ErrTimeout.
var (
	errUnavailable  = &Error{schema.ErrUnavailable, "the log is not available, nothing was accepted: try again"}
	errLogRefused   = &Error{schema.ErrUnavailable, "the log has not been confirmed to be that of the stored entries, nothing was accepted: an operator finds the reason at /readyz"}
	errShuttingDown = &Error{schema.ErrUnavailable, "shutting down, nothing was accepted: try again"}
	errUnknown      = &Error{schema.ErrTimeout, "the log has not answered in time: the write may still be kept; repeating it is safe with an Idempotency-Key or an event id"}
	errDiskFull     = &Error{schema.ErrStorageFull, "the log's storage is full, nothing was accepted"}
	errTooLarge     = &Error{schema.ErrTooLarge, "larger than the log takes"}
	errNoneAccepted = &Error{schema.ErrInvalid, "no entry was accepted"}
	errRateLimited  = &Error{schema.ErrRateLimited, "too many entries"}
	errAborted      = &Error{schema.ErrUnavailable, "the first request with this key was refused, nothing was accepted: try again"}
	errFirstPending = &Error{schema.ErrTimeout, "the first request with this key is still being written: the write may still be kept; try again"}
)

// RetryLater adds to err when to try again: 1 to 3 s, spread so that callers who were refused together do not return together.
func RetryLater(err error) error {
	return &schema.RetryError{After: time.Second + rand.N(2*time.Second), Err: err}
}
