package query

import (
	"context"
	"time"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/schema"
)

// Status has figures about the service that every caller of the tenant may see.
type Status struct {
	ClickHouse, Kafka bool   // can be asked
	Behind            int64  // records that are acknowledged and not stored yet, of all tenants; 0 without Kafka
	Received          uint64 // visible entries of the tenant that were received today (UTC); 0 without ClickHouse
}

// statusTime is how long Kafka and ClickHouse may take to answer; a page asks every few seconds.
const statusTime = 2 * time.Second

// Status does not fail if a dependency is unavailable: it reports that. Answers are up to a second old, so that many pages cost as much as
// one.
func (r *Reader) Status(ctx context.Context, p schema.Principal) (Status, error) {
	f, err := TenantFilter(p)
	if err != nil {
		return Status{}, err
	}
	if s, ok := r.statuses.Get(f.tenant); ok {
		return s, nil
	}
	asked := time.Now()
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	var s Status
	if s.Behind, err = r.stored.Behind(ctx); err == nil {
		s.Kafka = true
	}
	if s.Received, err = r.received(ctx, f, asked.UTC().Format(time.DateOnly)); err == nil {
		s.ClickHouse = true
	}
	if ctx.Err() == nil { // the caller is still there, and nothing was slow
		r.statuses.Put(f.tenant, s, asked)
	}
	return s, nil
}

// received counts, by the rollup, the visible entries that were received on the day or later.
func (r *Reader) received(ctx context.Context, f Filter, day string) (n uint64, err error) {
	f, err = f.visible(ctx, r.visible)
	if err != nil {
		return 0, err
	}
	table, c := f.counts()
	c.Add("received >= {day:Date}", "day", day)
	return count(ctx, r.db, f, db.Statement{Text: "SELECT toUInt64(greatest(sum(n), 0)) FROM " + table + c.Where(), Args: c.Args})
}
