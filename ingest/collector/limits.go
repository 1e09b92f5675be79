package collector

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/activitylog/activitylog/schema"
)

// answer is an error whose text is meant for the caller.
type answer struct {
	kind error
	text string
}

func (a *answer) Error() string { return a.text }
func (a *answer) Unwrap() error { return a.kind }

// Why a write is not taken or not known to be kept.
var (
	errAway    = &answer{schema.ErrUnavailable, "the log is not available, nothing was accepted: try again"}
	errBusy    = &answer{schema.ErrUnavailable, "too much is waiting to be written, nothing was accepted: try again"}
	errClosing = &answer{schema.ErrUnavailable, "shutting down, nothing was accepted: try again"}
	errUnknown = &answer{schema.ErrUnavailable, "the log has not answered in time: the write may still be kept; repeating it is safe with an Idempotency-Key or an event id"}
	errFull    = &answer{schema.ErrStorageFull, "the log's storage is full, nothing was accepted"}
	errTooBig  = &answer{schema.ErrTooLarge, "larger than the log takes"}
	errNone    = &answer{schema.ErrInvalid, "no entry was accepted"}
	errLimited = &answer{schema.ErrRateLimited, "too many entries"}
)

// later adds to err when to try again: 1 to 3 s, spread so that callers who were refused together do not return together.
func later(err error) error {
	return &schema.RetryError{After: time.Second + rand.N(2*time.Second), Err: err}
}

// budget is a number of bytes that may be in use at once.
type budget struct {
	limit int64
	used  atomic.Int64
}

func (b *budget) take(n int64) bool {
	if b.used.Add(n) <= b.limit {
		return true
	}
	b.used.Add(-n)
	return false
}

func (b *budget) give(n int64) { b.used.Add(-n) }

// maxLimiters bounds the tenants whose rate is remembered.
const maxLimiters = 10_000

// rates limits the entries a second of each tenant.
type rates struct {
	perSecond rate.Limit // 0: no limit
	burst     int

	mu      sync.Mutex // guards tenants
	tenants map[string]*rate.Limiter
}

// admit is ErrRateLimited, with the time to wait, when the tenant has sent too many entries.
func (r *rates) admit(tenant string, entries int) error {
	if r.perSecond == 0 {
		return nil
	}
	now := time.Now()
	// A batch larger than the burst could never pass; it takes all there is instead.
	res := r.of(tenant).ReserveN(now, min(entries, r.burst))
	if delay := res.DelayFrom(now); delay > 0 {
		res.CancelAt(now)
		return &schema.RetryError{After: delay, Err: errLimited}
	}
	return nil
}

func (r *rates) of(tenant string) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.tenants[tenant]
	if l == nil {
		if len(r.tenants) >= maxLimiters {
			clear(r.tenants)
		}
		l = rate.NewLimiter(r.perSecond, r.burst)
		r.tenants[tenant] = l
	}
	return l
}
