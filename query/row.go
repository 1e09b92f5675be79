package query

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
)

// columns are what a listing reads, in the order of row.dest.
var columns = [...]string{
	Summary:    "id, timestamp, action, platform, device, actor_id, actor_name, detail",
	Everything: "id, timestamp, action, platform, device, actor_id, actor_name, detail, actor_kind, received_at, targets, request_id, details, extra",
}

// columns are those, and where entries of several tenants are read, whose each is.
func (f Filter) columns(fields Fields) string {
	if f.tenant == schema.AllTenants {
		return "tenant, " + columns[fields]
	}
	return columns[fields]
}

// row is one row of a listing, to be begun by Filter.row.
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
	if f == Everything {
		d = append(d, &e.ActorKind, &r.received, &r.targets, &e.RequestID, &e.Details, &r.extra)
	}
	return d
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

// Get is the entry with the id, of p's tenant; ErrNotFound when there is none.
func (s *Store) Get(ctx context.Context, p schema.Principal, id uint64) (e schema.Entry, err error) {
	defer s.metrics.observe("get", time.Now(), &err)
	f, err := NewFilter(p)
	if err != nil {
		return e, err
	}
	if f, err = s.visible(ctx, f); err != nil {
		return e, err
	}
	c := f.entries(f.floor)
	c.Add("id = {id:UInt64}", "id", id)
	r := f.row()
	err = s.one(ctx, f.tenant, statement{"SELECT " + f.columns(Everything) + " FROM activity" + c.Where() + " LIMIT 1", c.Args}, r.dest(Everything)...)
	if errors.Is(err, schema.ErrNotFound) {
		return e, fmt.Errorf("%w: no entry has the id %d", err, id)
	}
	if err != nil {
		return e, fmt.Errorf("get an entry: %w", err)
	}
	return r.entry()
}
