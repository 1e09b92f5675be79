package publish

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/activitylog/activitylog/schema"
)

// maxTenants bounds the tenants whose rate is remembered.
const maxTenants = 10_000

// quota limits the entries per second of each tenant.
type quota struct {
	perSecond rate.Limit // 0: no limit
	burst     int
	tenants   *lru.Cache[string, *rate.Limiter] // nil without a limit
}

func newQuota(perSecond float64, burst int) *quota {
	q := &quota{perSecond: rate.Limit(perSecond), burst: burst}
	if perSecond > 0 {
		q.tenants, _ = lru.New[string, *rate.Limiter](maxTenants) // fails only for a size below 1
	}
	return q
}

// admit is ErrRateLimited, with the time to wait, when the tenant has sent too many entries. A batch of more entries than the burst
// passes when the tenant has a whole burst to spend. The rest is borrowed: the tenant's next entries wait until it is paid back.
func (q *quota) admit(tenant string, entries int) error {
	if q.perSecond == 0 {
		return nil
	}
	now := time.Now()
	limiter := q.of(tenant)
	res := limiter.ReserveN(now, min(entries, q.burst))
	if delay := res.DelayFrom(now); delay > 0 {
		res.CancelAt(now)
		return &schema.RetryError{After: delay, Err: errRateLimited}
	}
	for borrowed := entries - q.burst; borrowed > 0; borrowed -= q.burst { // a reservation has at most the burst
		limiter.ReserveN(now, min(borrowed, q.burst))
	}
	return nil
}

func (q *quota) of(tenant string) *rate.Limiter {
	if l, ok := q.tenants.Get(tenant); ok {
		return l
	}
	l := rate.NewLimiter(q.perSecond, q.burst)
	if first, ok, _ := q.tenants.PeekOrAdd(tenant, l); ok { // another request of the tenant was faster
		return first
	}
	return l
}
