package query

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
)

// DeleteOne erases the entry with the id, of p's tenant, wherever it is by now: also if it is still in Kafka. After nil no
// read shows it. ErrNotFound: there is no such entry. ErrTimeout: the erasure may or may not come about, and may be asked for
// again. ErrUnavailable: nothing has been erased.
func (s *Store) DeleteOne(ctx context.Context, p schema.Principal, id uint64) (err error) {
	defer s.metrics.observe("delete_one", time.Now(), &err)
	ctx, cancel, err := s.erasing(ctx, p)
	if err != nil {
		return err
	}
	defer cancel()
	e, before, err := s.erasureOf(ctx, p, id)
	if err != nil {
		return err
	}
	return s.erase(ctx, e, before)
}

// EraseOne is DeleteOne for who administrates: it needs the scope admin, and leaves an entry of its own that tells of it. Of
// several who ask for the same entry at once, all but one get ErrNotFound.
func (s *Store) EraseOne(ctx context.Context, p schema.Principal, id uint64) (err error) {
	defer s.metrics.observe("erase_one", time.Now(), &err)
	ctx, cancel, err := s.administrating(ctx, p)
	if err != nil {
		return err
	}
	defer cancel()
	e, before, err := s.erasureOf(ctx, p, id)
	if err != nil {
		return err
	}
	e.counted = true
	n, err := s.eraseAndTell(ctx, e, before)
	if err == nil && n == 0 {
		return fmt.Errorf("%w: no entry has the id %d any more", schema.ErrNotFound, id)
	}
	return err
}

// EraseMatching erases the entries of f, which must be p's tenant's and have a condition, that were acknowledged before the
// call, and no other. It returns how many of those that were visible it erased, exactly, and leaves an entry of its own that
// tells of it; it needs the scope admin. Its errors are those of DeleteOne, and ErrInvalid naming a field.
func (s *Store) EraseMatching(ctx context.Context, p schema.Principal, f Filter) (n uint64, err error) {
	defer s.metrics.observe("erase_matching", time.Now(), &err)
	ctx, cancel, err := s.administrating(ctx, p)
	if err != nil {
		return 0, err
	}
	defer cancel()
	e, before, err := s.erasureMatching(ctx, p, f)
	if err != nil {
		return 0, err
	}
	return s.eraseAndTell(ctx, e, before)
}

// eraseAndTell carries e out, and says so in an entry unless there was nothing to erase.
func (s *Store) eraseAndTell(ctx context.Context, e *erasure, before schema.Position) (n uint64, err error) {
	k, err := s.keeping(ctx, e.by.Tenant)
	if err != nil {
		return 0, err
	}
	floor := k.floor(s.now())
	if err := s.erase(ctx, e, before); err != nil {
		return 0, err
	}
	if n, err = s.taken(ctx, e, before, floor); err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, nil
	}
	return n, s.tell(ctx, e, before, n)
}

// erasureMatching is the erasure of what f means, in every partition.
func (s *Store) erasureMatching(ctx context.Context, p schema.Principal, f Filter) (*erasure, schema.Position, error) {
	switch {
	case f.tenant != p.Tenant:
		return nil, nil, fmt.Errorf("%w: the filter is of another tenant", schema.ErrForbidden)
	case f.Match == schema.Match{}:
		return nil, nil, schema.Missing("filter")
	}
	if err := f.Validate(); err != nil {
		return nil, nil, err
	}
	ends, err := s.ends(ctx)
	if err != nil {
		return nil, nil, err
	}
	e := s.erasure(p, "entries with "+describe(f.Match))
	e.match, e.counted = f.Proto(), true
	// The count is for the log. It also shows the engine the conditions before the consumer cannot but take them.
	e.entries, err = s.countVisible(ctx, f)
	return e, ends, err
}

// erasureOf is the erasure of one entry, in the partition that holds it.
func (s *Store) erasureOf(ctx context.Context, p schema.Principal, id uint64) (*erasure, schema.Position, error) {
	ends, err := s.ends(ctx)
	if err != nil {
		return nil, nil, err
	}
	at, err := s.locate(ctx, p, id)
	if errors.Is(err, schema.ErrNotFound) { // it may still be in Kafka
		if err := s.settled(ctx, ends); err != nil {
			return nil, nil, err
		}
		at, err = s.locate(ctx, p, id)
	}
	if err != nil {
		return nil, nil, err
	}
	e := s.erasure(p, "entry "+strconv.FormatUint(id, 10))
	e.entries = 1
	e.refs = []*activitypb.Ref{{Id: id, Timestamp: at.timestamp}}
	return e, schema.Position{at.partition: at.offset + 1}, nil
}

// DeleteAll erases every entry of p's tenant that was acknowledged before the call, and no other. Its errors are those of
// DeleteOne.
func (s *Store) DeleteAll(ctx context.Context, p schema.Principal) (err error) {
	defer s.metrics.observe("delete_all", time.Now(), &err)
	ctx, cancel, err := s.erasing(ctx, p)
	if err != nil {
		return err
	}
	defer cancel()
	ends, err := s.ends(ctx)
	if err != nil {
		return err
	}
	e := s.erasure(p, "everything")
	f, err := tenantFilter(p)
	if err != nil {
		return err
	}
	if e.entries, err = s.countVisible(ctx, f); err != nil {
		return err
	}
	return s.erase(ctx, e, ends)
}

func (s *Store) erasing(ctx context.Context, p schema.Principal) (context.Context, context.CancelFunc, error) {
	if err := p.Require(schema.ScopeDelete); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.WaitMax)
	return ctx, cancel, nil
}

// patience is how many times as long as others an administrator may wait: what is erased by filter may be most of the tables.
const patience = 6

func (s *Store) administrating(ctx context.Context, p schema.Principal) (context.Context, context.CancelFunc, error) {
	if err := p.Require(schema.ScopeAdmin); err != nil {
		return nil, nil, err
	}
	if p.Tenant == schema.AllTenants {
		return nil, nil, &schema.Refusal{Kind: schema.ErrForbidden, Issue: "these credentials are of no one tenant: name the one that is meant with ?tenant="}
	}
	ctx, cancel := context.WithTimeout(ctx, patience*s.cfg.WaitMax)
	return ctx, cancel, nil
}

// place is where an entry lies.
type place struct {
	partition int
	offset    int64
	timestamp int64 // Unix ms
}

func (s *Store) locate(ctx context.Context, p schema.Principal, id uint64) (place, error) {
	f, err := tenantFilter(p)
	if err != nil {
		return place{}, err
	}
	if f, err = s.visible(ctx, f); err != nil {
		return place{}, err
	}
	c := f.entries(f.floor)
	c.Add("id = {id:UInt64}", "id", id)
	var partition uint16
	var offset uint64
	var timestamp time.Time
	q := statement{"SELECT kpart, koff, timestamp FROM activity" + c.Where() + " LIMIT 1", c.Args}
	switch err := s.one(ctx, f.tenant, q, &partition, &offset, &timestamp); {
	case errors.Is(err, schema.ErrNotFound):
		return place{}, fmt.Errorf("%w: no entry has the id %d", err, id)
	case err != nil:
		return place{}, fmt.Errorf("look up an entry: %w", err)
	}
	return place{int(partition), int64(offset), timestamp.UnixMilli()}, nil
}
