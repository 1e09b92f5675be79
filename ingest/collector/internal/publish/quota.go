package publish

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/activitylog/activitylog/schema"
)

// maxTenants bounds the tenants whose rate is remembered.
const maxTenants = 10_000

// quota limits the entries a second of each tenant.
type quota struct {
	perSecond rate.Limit // 0: no limit
	burst     int

	mu      sync.Mutex // guards tenants
	tenants map[string]*rate.Limiter
}

// admit is ErrRateLimited, with the time to wait, when the tenant has sent too many entries.
func (q *quota) admit(tenant string, entries int) error {
	if q.perSecond == 0 {
		return nil
	}
	now := time.Now()
	// A batch larger than the burst could never pass; it takes all there is instead.
	res := q.of(tenant).ReserveN(now, min(entries, q.burst))
	if delay := res.DelayFrom(now); delay > 0 {
		res.CancelAt(now)
		return &schema.RetryError{After: delay, Err: errRateLimited}
	}
	return nil
}

func (q *quota) of(tenant string) *rate.Limiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.tenants[tenant]
	if l == nil {
		if len(q.tenants) >= maxTenants {
			clear(q.tenants)
		}
		l = rate.NewLimiter(q.perSecond, q.burst)
		q.tenants[tenant] = l
	}
	return l
}
