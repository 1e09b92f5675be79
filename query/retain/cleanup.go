package retain

import (
	"context"
	"time"

	"github.com/activitylog/activitylog/query/visible"
	"github.com/activitylog/activitylog/schema"
)

// Cleanup erases the entries of p's tenant that were received more than days whole UTC days ago; with 0 days, more than its
// retention ago, which are no longer visible. It returns exactly how many of them were visible: the count drops by as many. It
// needs the scope admin, and its errors are those of erase.Eraser.EraseMatching.
func (k *Keeper) Cleanup(ctx context.Context, p schema.Principal, days int) (n uint64, err error) {
	defer k.requests.Observe("cleanup", time.Now(), &err)
	ctx, cancel, err := k.eraser.AsAdmin(ctx, p)
	if err != nil {
		return 0, err
	}
	defer cancel()
	if days < 0 {
		return 0, &schema.FieldError{Field: "days", Code: "RANGE", Issue: "must be 1 or more"}
	}
	r, err := k.visible.Of(ctx, p.Tenant)
	if err != nil {
		return 0, err
	}
	if days == 0 {
		days = r.Days
	}
	now := k.now()
	since := r.From(now)
	before := visible.Retention{Days: min(days, MaxDays)}.From(now)
	if before > since {
		if n, err = k.eraser.ReceivedBefore(ctx, p, before, since); err != nil {
			return 0, err
		}
	}
	k.hook.send(Cleaned{Tenant: p.Tenant, Days: days, DeletedCount: n, Before: before, At: now.UTC()})
	return n, nil
}
