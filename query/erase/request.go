// Package erase erases entries. It promises: an erasure that was answered is complete for every entry that was acknowledged before
// it was asked for, wherever the entry was by then, in Kafka or in the tables, and nothing later is touched; it takes entries
// of the caller's tenant only; and what an administrator erased is counted exactly and written into an audit entry.
package erase

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/internal/requests"
	"github.com/activitylog/activitylog/query/stored"
	"github.com/activitylog/activitylog/query/visible"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// adminWaits is the factor by which an administrator may wait longer than others: a filter may erase most of the tables.
const adminWaits = 6

// Layers are the parts of package query that erasures depend on.
type Layers struct {
	DB      *db.DB
	Stored  *stored.Progress
	Visible *visible.Lookup
	Reader  *query.Reader
}

// Eraser erases entries. It may be used by many goroutines at once.
type Eraser struct {
	db       *db.DB
	stored   *stored.Progress
	visible  *visible.Lookup
	reader   *query.Reader
	topic    publisher
	requests *requests.Metrics
	erased   prometheus.Counter
}

// New makes an Eraser, which publishes its commands through client. It works while layers.Stored runs.
func New(layers Layers, client *kafka.Client, reg prometheus.Registerer) *Eraser {
	return &Eraser{
		db: layers.DB, stored: layers.Stored, visible: layers.Visible, reader: layers.Reader,
		topic: publisher{client, layers.Stored.Topic()}, requests: requests.New(reg),
		erased: promauto.With(reg).NewCounter(prometheus.CounterOpts{
			Name: "activity_query_erased_entries_total",
			Help: "Visible entries that administrators and cleanups erased.",
		}),
	}
}

// DeleteOne erases the entry with the id, of p's tenant, also if it is still in Kafka. After it returns nil, no read shows the entry.
// ErrNotFound: there is no such entry. ErrTimeout: the erasure may or may not take effect, and may be asked for again. ErrUnavailable:
// nothing has been erased.
func (e *Eraser) DeleteOne(ctx context.Context, p schema.Principal, id uint64) (err error) {
	defer e.requests.Observe("delete_one", time.Now(), &err)
	ctx, cancel, err := e.asDeleter(ctx, p)
	if err != nil {
		return err
	}
	defer cancel()
	x, err := e.one(ctx, p, id)
	if err != nil {
		return err
	}
	return e.execute(ctx, x)
}

// DeleteAll erases every entry of p's tenant that was acknowledged before the call, and no other. Its errors are those of
// DeleteOne.
func (e *Eraser) DeleteAll(ctx context.Context, p schema.Principal) (err error) {
	defer e.requests.Observe("delete_all", time.Now(), &err)
	ctx, cancel, err := e.asDeleter(ctx, p)
	if err != nil {
		return err
	}
	defer cancel()
	log, err := e.begin(ctx)
	if err != nil {
		return err
	}
	x := newErasure(log, p, "everything")
	if x.before, err = e.stored.Ends(ctx); err != nil {
		return err
	}
	f, err := query.TenantFilter(p)
	if err != nil {
		return err
	}
	if x.entries, err = e.reader.CountVisible(ctx, f); err != nil {
		return err
	}
	return e.execute(ctx, x)
}

// EraseOne is DeleteOne for an administrator: it needs the scope admin and writes an audit entry. If several callers erase the same entry
// at once, all but one get ErrNotFound.
func (e *Eraser) EraseOne(ctx context.Context, p schema.Principal, id uint64) (err error) {
	defer e.requests.Observe("erase_one", time.Now(), &err)
	ctx, cancel, err := e.AsAdmin(ctx, p)
	if err != nil {
		return err
	}
	defer cancel()
	x, err := e.one(ctx, p, id)
	if err != nil {
		return err
	}
	x.counted = true
	n, err := e.audited(ctx, x)
	if err == nil && n == 0 {
		return fmt.Errorf("%w: no entry has the id %d any more", schema.ErrNotFound, id)
	}
	return err
}

// EraseMatching erases the entries of f that were acknowledged before the call, and no other. f must be of p's tenant and have a
// condition. It returns exactly how many of the visible entries it erased, and writes an audit entry; it needs the scope admin.
// Its errors are those of DeleteOne, and ErrInvalid naming a field.
func (e *Eraser) EraseMatching(ctx context.Context, p schema.Principal, f query.Filter) (n uint64, err error) {
	defer e.requests.Observe("erase_matching", time.Now(), &err)
	ctx, cancel, err := e.AsAdmin(ctx, p)
	if err != nil {
		return 0, err
	}
	defer cancel()
	x, err := e.matching(ctx, p, f)
	if err != nil {
		return 0, err
	}
	return e.audited(ctx, x)
}

// ReceivedBefore erases the tenant's entries that were received before the day, YYYY-MM-DD, and returns how many of them were received on
// the day since or later. The caller must have checked the rights.
func (e *Eraser) ReceivedBefore(ctx context.Context, p schema.Principal, day, since string) (uint64, error) {
	before, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return 0, fmt.Errorf("read a day: %w", err)
	}
	f, err := query.TenantFilter(p)
	if err != nil {
		return 0, err
	}
	f.ReceivedBefore = before.UnixMilli()
	x, err := e.matching(ctx, p, f)
	if err != nil {
		return 0, err
	}
	if err := e.execute(ctx, x); err != nil {
		return 0, err
	}
	return e.count(ctx, x, since)
}

// AsAdmin bounds ctx by the time that an administrator may wait. It returns ErrForbidden unless p administrates one tenant.
func (e *Eraser) AsAdmin(ctx context.Context, p schema.Principal) (context.Context, context.CancelFunc, error) {
	if err := p.Require(schema.ScopeAdmin); err != nil {
		return nil, nil, err
	}
	if p.Tenant == schema.AllTenants {
		return nil, nil, &schema.Refusal{Kind: schema.ErrForbidden, Issue: "these credentials are of no one tenant: name the one that is meant with ?tenant="}
	}
	ctx, cancel := context.WithTimeout(ctx, adminWaits*e.stored.WaitMax())
	return ctx, cancel, nil
}

func (e *Eraser) asDeleter(ctx context.Context, p schema.Principal) (context.Context, context.CancelFunc, error) {
	if err := p.Require(schema.ScopeDelete); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, e.stored.WaitMax())
	return ctx, cancel, nil
}

// begin returns the log that the commands of an erasure are written to. It fails before anything is published if a table is missing: the
// consumer could not apply the commands, and their result could not be read.
func (e *Eraser) begin(ctx context.Context) (*schemakafka.Log, error) {
	if err := e.db.Complete(ctx); err != nil {
		return nil, fmt.Errorf("look for the tables: %w", err)
	}
	return e.stored.LogNow(ctx)
}

// one returns the erasure of one entry, in the partition that has it.
func (e *Eraser) one(ctx context.Context, p schema.Principal, id uint64) (*erasure, error) {
	log, err := e.begin(ctx)
	if err != nil {
		return nil, err
	}
	ends, err := e.stored.Ends(ctx)
	if err != nil {
		return nil, err
	}
	at, err := e.reader.Locate(ctx, p, id)
	if errors.Is(err, schema.ErrNotFound) { // it may still be in Kafka
		if err := e.stored.WaitBefore(ctx, ends); err != nil {
			return nil, err
		}
		at, err = e.reader.Locate(ctx, p, id)
	}
	if err != nil {
		return nil, err
	}
	x := newErasure(log, p, "entry "+strconv.FormatUint(id, 10))
	x.entries = 1
	x.refs = []*activitypb.Ref{{Id: id, Timestamp: at.Timestamp}}
	x.before = schema.Position{at.Partition: at.Offset + 1}
	return x, nil
}

// matching returns the erasure of the entries of f, in every partition.
func (e *Eraser) matching(ctx context.Context, p schema.Principal, f query.Filter) (x *erasure, err error) {
	switch {
	case f.Tenant() != p.Tenant:
		return nil, fmt.Errorf("%w: the filter is of another tenant", schema.ErrForbidden)
	case f.Not != [query.MaxExclusions]query.Exclusion{}:
		return nil, &schema.FieldError{Field: "not", Code: "UNKNOWN", Issue: "an erasure names what it takes"}
	case f.Match == schema.Match{}:
		return nil, schema.Missing("filter")
	}
	if err := f.Validate(); err != nil {
		return nil, err
	}
	log, err := e.begin(ctx)
	if err != nil {
		return nil, err
	}
	x = newErasure(log, p, "entries with "+describe(f.Match))
	if x.before, err = e.stored.Ends(ctx); err != nil {
		return nil, err
	}
	x.match, x.counted = f.Proto(), true
	// The count is for the log of erasures. It also shows the engine the conditions before the consumer has to run them.
	x.entries, err = e.reader.CountVisible(ctx, f)
	return x, err
}

// execute publishes the commands of x, logs x, and waits until all commands have been applied.
func (e *Eraser) execute(ctx context.Context, x *erasure) error {
	issued, err := e.topic.issue(ctx, x)
	if err == nil {
		err = e.stored.Unchanged(ctx, x.log)
	}
	if err == nil {
		err = logErasure(ctx, e.db, x)
	}
	if err == nil {
		err = e.stored.Wait(ctx, issued)
	}
	return unsure(err)
}

// audited executes x, counts the visible entries that it removed, and writes an audit entry unless there were none.
func (e *Eraser) audited(ctx context.Context, x *erasure) (n uint64, err error) {
	since, err := e.visible.Since(ctx, x.by.Tenant)
	if err != nil {
		return 0, err
	}
	if err := e.execute(ctx, x); err != nil {
		return 0, err
	}
	if n, err = e.count(ctx, x, since.Day); err != nil || n == 0 {
		return 0, err
	}
	at, err := e.topic.audit(ctx, x, n)
	if err != nil {
		return n, unsure(err)
	}
	_ = e.stored.Wait(ctx, at) // it is in Kafka; waiting helps a caller that lists right away
	e.reader.Forget()
	return n, nil
}

// count returns how many of the entries that x erased were received on the day since or later. It is exact whatever else was erased at the
// same time, because only the first command that matches an entry removes and counts it.
func (e *Eraser) count(ctx context.Context, x *erasure, since string) (uint64, error) {
	n, err := countErased(ctx, e.db, x, since)
	if err != nil {
		return 0, unsure(err)
	}
	e.erased.Add(float64(n))
	return n, nil
}

// unsure turns an outage into a timeout, which says that the outcome is unknown: some commands may have been published.
func unsure(err error) error {
	if errors.Is(err, schema.ErrUnavailable) {
		return fmt.Errorf("%w: erase: %v", schema.ErrTimeout, err) //nolint:errorlint // the kind of err is what must go
	}
	return err
}
