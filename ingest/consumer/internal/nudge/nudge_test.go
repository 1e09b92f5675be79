package nudge

import (
	"log/slog"
	"testing"
	"time"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

func (b *Batch) wasNudged() bool {
	select {
	case <-b.Nudged():
		return true
	default:
		return false
	}
}

// TestDeliver: a nudge reaches the batches that have a record before its offset. One from before a restart, or of a reader that has given
// up, nudges nothing for long.
func TestDeliver(t *testing.T) {
	w, began := New(nil, "", slog.New(slog.DiscardHandler)), time.Now()
	b, other := w.Add(1, 10), w.Add(2, 10)
	for i, step := range []struct {
		before int64
		nonce  string
		after  time.Duration
		want   bool
	}{
		{10, "a", 0, false},
		{11, "b", 0, true},
		{5, "c", 0, true}, // another service's: the reader of b still waits
		{5, "c", life - 1, true},
		{5, "c", life, false},
		{11, "d", time.Hour, true},
		{11, "d", time.Hour + life, false},
		{11, "e", time.Hour + life, true},
		{1 << 40, "f", 2 * time.Hour, true},
	} {
		w.deliver(map[int]schemakafka.Nudge{1: {Before: step.before, Nonce: step.nonce}}, began.Add(step.after))
		if got := b.wasNudged(); got != step.want {
			t.Errorf("step %d, %+v: nudged: %v, want %v", i, step, got, step.want)
		}
	}
	if other.wasNudged() {
		t.Error("a batch of another partition was nudged")
	}
	if n := len(w.sent[1]); n != 1 {
		t.Errorf("%d nudges are remembered, want 1", n)
	}
	w.Remove(b)
	w.deliver(map[int]schemakafka.Nudge{1: {Before: 99, Nonce: "g"}}, began)
	if b.wasNudged() || len(w.partitions()) != 1 {
		t.Error("a batch was nudged that does not wait any more")
	}
}

// TestRun: batches that come while nobody else waits, and after Kafka was unavailable, are nudged.
func TestRun(t *testing.T) {
	k := testbed.Kafka(t, 2)
	w := New(k.Client(), k.Topic(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	done := make(chan struct{})
	go func() { w.Run(t.Context()); close(done) }()
	t.Cleanup(func() { <-done })
	nudged := func(offset int64) {
		t.Helper()
		b := w.Add(1, offset)
		defer w.Remove(b)
		deadline := time.After(20 * time.Second)
		for {
			err := schemakafka.SendNudges(t.Context(), k.Client(), k.Topic(), map[int]int64{1: offset + 1}) // Kafka may not be there yet
			select {
			case <-b.Nudged():
				return
			case <-deadline:
				t.Fatalf("no nudge in 20 s; the last one sent: %v", err)
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	nudged(0)
	time.Sleep(50 * time.Millisecond) // nobody waits
	nudged(1)
	waits := w.Add(0, 0)
	k.Stop()
	time.Sleep(time.Second)
	k.Start()
	nudged(2)
	w.Remove(waits)
}
