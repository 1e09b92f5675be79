package stored

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// nudges returns how many nudges Kafka took or did not take.
func (r *reads) nudges(taken bool) float64 {
	r.t.Helper()
	return r.value(r.metrics.nudges[taken])
}

// inVain waits for a record that is not stored.
func (r *reads) inVain(p schema.Position, how time.Duration) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), how)
	defer cancel()
	if err := r.Wait(ctx, p); err == nil {
		r.t.Errorf("a wait for %v, which is not stored, ended without an error", p)
	}
}

// TestWaitsNudge: whoever waits asks the consumer to store at once what it waits for, and again after a while.
func TestWaitsNudge(t *testing.T) {
	r := openReads(t, 5*time.Second)
	first, last := r.write(1), r.write(0)
	var others sync.WaitGroup
	others.Go(func() { r.inVain(schema.Position{0: last - 1}, 700*time.Millisecond) })
	r.inVain(schema.Position{1: first - 1}, 700*time.Millisecond)
	others.Wait()
	r.watcher.nudger.sending.Wait()
	if n := r.nudges(true); n < 1 || n > 2 {
		t.Errorf("two waits of 0.7 s sent %v nudges, want one each", n)
	}
	got, err := schemakafka.ReadNudges(t.Context(), r.client, r.broker.Topic(), []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Before != last || got[1].Before != first {
		t.Errorf("the consumer was nudged for %v, want what lies before %d and %d", got, last, first)
	}
	before := r.nudges(true)
	r.inVain(schema.Position{1: first - 1}, 2500*time.Millisecond)
	r.watcher.nudger.sending.Wait()
	if n := r.nudges(true) - before; n < 2 || n > 3 {
		t.Errorf("a wait of 2.5 s sent %v nudges, want one a second", n)
	}
}

// TestNudgeFails: a Kafka that takes no nudges is reported once, and reads only wait longer.
func TestNudgeFails(t *testing.T) {
	r := openReads(t, 5*time.Second)
	var log bytes.Buffer
	r.watcher.nudger.topic, r.watcher.nudger.log = "none", slog.New(slog.NewTextHandler(&log, nil))
	next := r.write(0)
	for deadline := time.Now().Add(20 * time.Second); r.nudges(false) < 2; {
		if time.Now().After(deadline) {
			t.Fatal("two waits have not sent a nudge each")
		}
		r.inVain(schema.Position{0: next - 1}, 200*time.Millisecond)
	}
	commit(t, r.broker, 0, next)
	r.waitsFor(0)
	r.watcher.nudger.sending.Wait()
	if got := strings.Count(log.String(), "cannot nudge the consumer"); got != 1 {
		t.Errorf("the failure was logged %d times, want once:\n%s", got, log.String())
	}
}
