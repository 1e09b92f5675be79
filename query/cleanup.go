package query

import (
	"context"
	"fmt"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// Cleanup erases the entries of p's tenant that were received more than days whole UTC days ago; with 0 days, more than its
// retention ago, which are visible no more. It returns how many of them were visible, exactly: the count drops by as many. It
// needs the scope admin, and its errors are those of EraseMatching.
func (s *Store) Cleanup(ctx context.Context, p schema.Principal, days int) (n uint64, err error) {
	defer s.metrics.observe("cleanup", time.Now(), &err)
	ctx, cancel, err := s.administrating(ctx, p)
	if err != nil {
		return 0, err
	}
	defer cancel()
	if days < 0 {
		return 0, &schema.FieldError{Field: "days", Code: "RANGE", Issue: "must be 1 or more"}
	}
	k, err := s.keeping(ctx, p.Tenant)
	if err != nil {
		return 0, err
	}
	if days == 0 {
		days = k.days
	}
	now := s.now()
	before := keeping{days: min(days, MaxRetentionDays)}.floor(now)
	if before > k.floor(now) {
		if n, err = s.eraseReceivedBefore(ctx, p, before, k.floor(now)); err != nil {
			return 0, err
		}
	}
	s.hook.send(Cleaned{Tenant: p.Tenant, Days: days, DeletedCount: n, Before: before, At: now.UTC()})
	return n, nil
}

// eraseReceivedBefore erases the tenant's entries that were received before the day, and returns how many of them were received
// from the day floor on.
func (s *Store) eraseReceivedBefore(ctx context.Context, p schema.Principal, day, floor string) (uint64, error) {
	before, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return 0, fmt.Errorf("read a day: %w", err)
	}
	f, err := tenantFilter(p)
	if err != nil {
		return 0, err
	}
	f.ReceivedBefore = before.UnixMilli()
	e, ends, err := s.erasureMatching(ctx, p, f)
	if err != nil {
		return 0, err
	}
	if err := s.erase(ctx, e, ends); err != nil {
		return 0, err
	}
	return s.taken(ctx, e, ends, floor)
}
