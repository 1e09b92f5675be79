package publish

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/schema"
)

func claimed(k *keys, n byte) bool {
	_, first := k.claim(schema.EventKey{Hash: [16]byte{n}}, &outcome{done: make(chan struct{})}, 0)
	return first
}

func TestKeysAreBounded(t *testing.T) {
	reg := prometheus.NewRegistry()
	k := newKeys(3, time.Hour, newMetrics(reg))
	for n := range byte(3) {
		if !claimed(k, n) || claimed(k, n) {
			t.Errorf("key %d: want the first claim and no other", n)
		}
	}
	if !claimed(k, 3) || len(k.known) != 3 {
		t.Errorf("%d keys are known, want 3", len(k.known))
	}
	if claimed(k, 2) || claimed(k, 3) {
		t.Error("a young key was forgotten")
	}
	if !claimed(k, 0) {
		t.Error("the oldest key was not forgotten")
	}
	if got := gauge(t, reg, "activity_collector_event_keys"); got != 3 {
		t.Errorf("the gauge shows %v keys, want 3", got)
	}
}

func TestKeysExpire(t *testing.T) {
	k := newKeys(10, time.Nanosecond, newMetrics(prometheus.NewRegistry()))
	for range 2 {
		if !claimed(k, 1) {
			t.Error("an expired key is still taken")
		}
	}
	for _, c := range k.order {
		k.forget(c)
	}
	if len(k.known) != 0 {
		t.Errorf("%d keys are known, want none", len(k.known))
	}
}

func TestFailedWriteFreesItsKeys(t *testing.T) {
	k := newKeys(10, time.Hour, newMetrics(prometheus.NewRegistry()))
	j := newJob()
	j.reset("t", received, 1, 0)
	j.add(&schema.Entry{Action: "a"}, "k", 7, k)
	repeat := newJob()
	repeat.reset("t", received, 1, 0)
	repeat.add(&schema.Entry{Action: "a"}, "k", 7, k)
	if repeat.add(&schema.Entry{Action: "a"}, "k", 8, k) {
		t.Error("another entry under the key was taken")
	}
	if _, _, _, err := repeat.items[0].result(); !errors.Is(err, schema.ErrTimeout) {
		t.Errorf("a repeat of what is on its way: %v", err)
	}
	k.abort(j, errAborted)
	if repeat.wait(t.Context(), time.Minute); !errors.Is(repeat.items[0].event.outcome.err, schema.ErrUnavailable) {
		t.Error("the repeat was not woken")
	}
	if len(k.known) != 0 {
		t.Errorf("%d keys are known, want none", len(k.known))
	}
	other := newJob()
	other.reset("u", received, 1, 0)
	if j.hash("k") == other.hash("k") {
		t.Error("two tenants share a key")
	}
}

// A batch without an accepted entry is answered as unavailable only if none of its entries may be kept.
func TestWorstOfABatch(t *testing.T) {
	invalid, later := schema.Missing("action"), RetryLater(errUnavailable)
	for _, c := range []struct {
		faults []error
		want   error
	}{
		{[]error{invalid, invalid}, errNoneAccepted},
		{[]error{invalid, later}, errUnavailable},
		{[]error{later, invalid}, errUnavailable},
		{[]error{RetryLater(errDiskFull), invalid}, errDiskFull},
		{[]error{errUnknown, later}, errUnknown},
		{[]error{later, errUnknown, invalid}, errUnknown},
		{[]error{errFirstPending, later, RetryLater(errDiskFull)}, errFirstPending},
	} {
		var worst error
		for _, f := range c.faults {
			worst = worse(worst, f)
		}
		if !errors.Is(worst, c.want) {
			t.Errorf("%v: got %v, want %v", c.faults, worst, c.want)
		}
	}
}

// A client that gets 503 may send the request again without a key.
func TestUnavailableSaysThatNothingWasAccepted(t *testing.T) {
	for _, err := range []*Error{ErrBusy, errUnavailable, errLogRefused, errShuttingDown, errDiskFull, errAborted, errUnknown, errFirstPending} {
		says := strings.Contains(err.Text, "nothing was accepted")
		if says == errors.Is(err, schema.ErrTimeout) {
			t.Errorf("%v: %q", err.Kind, err.Text)
		}
	}
}

func TestIDsGrowWithinBlocks(t *testing.T) {
	s := newIDs(nil, "", newMetrics(prometheus.NewRegistry()))
	if err := s.ready(); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("without a lease: %v", err)
	}
	if err := s.add(0, 2); err != nil {
		t.Fatal(err)
	}
	if id, err := s.take(t.Context(), 1); id != 1 || err != nil {
		t.Errorf("the first id is %d, %v, want 1", id, err)
	}
	last := uint64(1)
	for id := uint64(0); id < schema.IDBlock*2-1000; {
		var err error
		if id, err = s.take(t.Context(), 500); err != nil || id <= last {
			t.Fatalf("id %d after %d, %v", id, last, err)
		}
		if schema.Block(id) != schema.Block(id+499) {
			t.Fatalf("ids from %d lie in two blocks", id)
		}
		last = id + 499
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.take(ctx, 512); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("beyond the lease: %v", err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if id, err := s.take(t.Context(), 512); id != 9*schema.IDBlock || err != nil {
			t.Errorf("after another lease: %d, %v", id, err)
		}
	})
	if err := s.add(9, 1); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := s.add((schema.MaxID+1)/schema.IDBlock, 1); err == nil {
		t.Error("ids beyond the largest are handed out")
	}
}

func TestQueueIsBounded(t *testing.T) {
	reg := prometheus.NewRegistry()
	p := &partition{m: newMetrics(reg), maxBytes: 100, maxChunks: 2}
	for _, c := range []struct {
		size int
		want error
	}{{150, nil}, {1, ErrBusy}} { // one request may be larger than the queue, but then it is alone
		if err := p.admit(c.size); !errors.Is(err, c.want) {
			t.Errorf("admit %d: %v, want %v", c.size, err, c.want)
		}
	}
	p.release(150)
	if err := p.admit(60); err != nil {
		t.Error(err)
	}
	if err := p.admit(60); !errors.Is(err, ErrBusy) {
		t.Errorf("beyond the bytes: %v", err)
	}
	p.queue = make([]*chunk, 2)
	if err := p.admit(1); !errors.Is(err, ErrBusy) {
		t.Errorf("beyond the count: %v", err)
	}
	p.queue, p.sentAt = nil, time.Now().Add(-time.Minute)
	if err := p.admit(1); !errors.Is(err, errUnavailable) {
		t.Errorf("behind a batch that hangs: %v", err)
	}
	if got := gauge(t, reg, "activity_collector_queue_bytes"); got != 60 {
		t.Errorf("the gauge shows %v bytes, want 60", got)
	}
}

// gauge returns the value of a gauge without labels.
func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
