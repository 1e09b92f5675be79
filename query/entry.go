package query

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
)

// columns lists the columns that a listing reads, in the order of row.dest.
var columns = [...]string{
	Summary:    "id, timestamp, action, platform, device, actor_id, actor_name, detail",
	Outline:    "id, timestamp, action, platform, device, actor_id, actor_name, detail, targets, extra",
	Everything: "id, timestamp, action, platform, device, actor_id, actor_name, detail, actor_kind, received_at, targets, request_id, details, extra",
}

// columns returns the columns of fields and, if entries of several tenants are read, the tenant.
func (f Filter) columns(fields Fields) string {
	if f.tenant == schema.AllTenants {
		return "tenant, " + columns[fields]
	}
	return columns[fields]
}

// row is one row of the table activity. Filter.row makes it.
type row struct {
	tenant              string // of the filter
	e                   schema.Entry
	timestamp, received time.Time
	targets             []string
	extra               string
}

func (f Filter) row() row { return row{tenant: f.tenant} }

func (r *row) dest(f Fields) []any {
	e := &r.e
	var d []any
	if r.tenant == schema.AllTenants {
		d = append(d, &e.Tenant)
	}
	d = append(d, &e.ID, &r.timestamp, &e.Action, &e.Platform, &e.Device, &e.ActorID, &e.ActorName, &e.Detail)
	switch f {
	case Summary:
	case Outline:
		d = append(d, &r.targets, &r.extra)
	case Everything:
		d = append(d, &e.ActorKind, &r.received, &r.targets, &e.RequestID, &e.Details, &r.extra)
	}
	return d
}

// size is how many bytes of text have been read. Names count little: there are at most nine of a KiB.
func (r *row) size() int {
	n := len(r.e.Detail) + len(r.e.Details) + len(r.extra)
	for _, t := range r.targets {
		n += len(t)
	}
	return n
}

func (r *row) entry() (schema.Entry, error) {
	e := r.e
	if r.tenant != schema.AllTenants {
		e.Tenant = r.tenant
	}
	e.Timestamp = r.timestamp.UnixMilli()
	if !r.received.IsZero() {
		e.ReceivedAt = r.received.UnixMilli()
	}
	var x activitypb.Extra
	if err := x.UnmarshalVT([]byte(r.extra)); err != nil {
		return e, fmt.Errorf("decode extra of entry %d: %w", e.ID, err)
	}
	e.Extra = schema.Extra{
		ActorLabel: x.ActorLabel, IPAddress: x.IpAddress, UserAgent: x.UserAgent, Layer: x.Layer,
	}
	for i, t := range r.targets {
		var target schema.Target
		target.Type, target.ID, _ = strings.Cut(t, "\x00")
		if i < len(x.TargetNames) {
			target.Name = x.TargetNames[i]
		}
		e.Targets = append(e.Targets, target)
	}
	return e, nil
}

// Get returns the entry of p's tenant with this id; ErrNotFound when there is none.
func (r *Reader) Get(ctx context.Context, p schema.Principal, id uint64) (e schema.Entry, err error) {
	defer r.requests.Observe("get", time.Now(), &err)
	f, err := NewFilter(p)
	if err != nil {
		return e, err
	}
	row := f.row()
	if err := r.one(ctx, f, id, f.columns(Everything), row.dest(Everything)...); err != nil {
		return e, err
	}
	return row.entry()
}

// Location says where an entry was written.
type Location struct {
	Partition int
	Offset    int64
	Timestamp int64 // the entry's, Unix ms
}

// Locate returns the location of the entry of p's tenant with this id, for callers who may erase but not read; ErrNotFound when there is
// none.
func (r *Reader) Locate(ctx context.Context, p schema.Principal, id uint64) (Location, error) {
	f, err := TenantFilter(p)
	if err != nil {
		return Location{}, err
	}
	var partition uint16
	var offset uint64
	var timestamp time.Time
	if err := r.one(ctx, f, id, "kpart, koff, timestamp", &partition, &offset, &timestamp); err != nil {
		return Location{}, err
	}
	return Location{int(partition), int64(offset), timestamp.UnixMilli()}, nil
}

// one reads columns of the visible entry with the id.
func (r *Reader) one(ctx context.Context, f Filter, id uint64, columns string, dest ...any) error {
	f, err := f.visible(ctx, r.visible)
	if err != nil {
		return err
	}
	c := f.entries(f.since.Day)
	c.Add("id = {id:UInt64}", "id", id)
	q := db.Statement{Text: "SELECT " + columns + " FROM activity" + c.Where() + " LIMIT 1", Args: c.Args}
	switch err := r.db.One(ctx, f.tenant, q, dest...); {
	case errors.Is(err, schema.ErrNotFound):
		return fmt.Errorf("%w: no entry has the id %d", err, id)
	case err != nil:
		return fmt.Errorf("get an entry: %w", err)
	}
	return nil
}
