package publish

import (
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/schema"
)

func TestQuotaForgetsTheTenantUsedLongestAgo(t *testing.T) {
	q := newQuota(0.001, 1)
	if err := q.admit("first", 1); err != nil {
		t.Fatal(err)
	}
	for i := range maxTenants {
		if err := q.admit(strconv.Itoa(i), 1); err != nil {
			t.Fatal(err)
		}
		if i == maxTenants/2 { // a refused request counts as use
			if err := q.admit("first", 1); !errors.Is(err, schema.ErrRateLimited) {
				t.Fatalf("beyond the burst: %v", err)
			}
		}
	}
	if err := q.admit("first", 1); !errors.Is(err, schema.ErrRateLimited) {
		t.Errorf("a tenant seen lately was forgotten: %v", err)
	}
	if err := q.admit("0", 1); err != nil {
		t.Errorf("the tenant seen longest ago was not forgotten: %v", err)
	}
	if got := q.tenants.Len(); got != maxTenants {
		t.Errorf("%d tenants are remembered, want %d", got, maxTenants)
	}
	if err := newQuota(0, 1).admit("a", 1<<30); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}

// Over any time, a tenant gets what the limit says, however large its batches are.
func TestLargeBatchBorrowsFromTheFuture(t *testing.T) {
	for _, c := range []struct {
		perSecond    float64
		burst, batch int
	}{
		{10, 10, 100}, {10, 10, 11}, {10, 10, 10}, {10, 1, 100_000}, {0.5, 2, 3}, {1000, 5000, 100_000}, {10, 10, 25},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newQuota(c.perSecond, c.burst)
			begin, accepted := time.Now(), 0
			for range 5 {
				if err := q.admit("t", c.batch); err != nil {
					t.Fatalf("%+v: after the time to wait: %v", c, err)
				}
				accepted += c.batch
				var retry *schema.RetryError
				err := q.admit("t", c.burst)
				if !errors.As(err, &retry) || !errors.Is(err, schema.ErrRateLimited) {
					t.Fatalf("%+v: a burst right behind the batch: %v", c, err)
				}
				if q.admit("other", 1) != nil {
					t.Fatalf("%+v: another tenant pays", c)
				}
				time.Sleep(retry.After + time.Microsecond) // the delay is rounded down to nanoseconds
			}
			if most := c.perSecond*time.Since(begin).Seconds() + 1e-3; float64(accepted) > most+float64(c.burst) {
				t.Errorf("%+v: %d entries in %v", c, accepted, time.Since(begin))
			}
		})
	}
}

// A request that is refused for another reason does not count against the quota.
func TestRefusedRequestCostsNoQuota(t *testing.T) {
	p := &Publisher{quota: newQuota(0.001, 3)}
	window := newKeys(10, time.Hour, newMetrics(prometheus.NewRegistry()))
	request := func() *job {
		j := newJob()
		j.reset("t", received, 1, 0)
		for range 10 {
			j.add(&schema.Entry{Action: "a"}, "", 0, window)
		}
		return j
	}
	for range 5 {
		if err := p.enqueue(request(), []*partition{{closed: true}}); !errors.Is(err, errShuttingDown) {
			t.Fatalf("a partition that is closed: %v", err)
		}
	}
	part := &partition{m: newMetrics(prometheus.NewRegistry()), maxBytes: 1 << 20, maxChunks: 10, wakeup: make(chan struct{}, 1)}
	if err := p.enqueue(request(), []*partition{part}); err != nil {
		t.Fatalf("the first request that the partition takes: %v", err)
	}
	held := part.held
	if err := p.enqueue(request(), []*partition{part}); !errors.Is(err, schema.ErrRateLimited) || part.held != held || len(part.queue) != 1 {
		t.Errorf("beyond the limit: %v, %d bytes held, want %d, %d chunks queued", err, part.held, held, len(part.queue))
	}
}
