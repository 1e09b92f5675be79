package stored

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// TestWaitsNudge: whoever waits for entries asks the consumer to store them at once, and asks once.
func TestWaitsNudge(t *testing.T) {
	r := openReads(t, 300*time.Millisecond)
	nudge := func() schemakafka.Nudge {
		t.Helper()
		all, err := schemakafka.ReadNudges(t.Context(), r.client, r.broker.Topic(), []int{1})
		if err != nil {
			t.Fatal(err)
		}
		return all[1]
	}
	next := r.write(1)
	r.catchUp()
	first := nudge()
	if first.Before != next {
		t.Fatalf("a read that waits for offset %d nudged the consumer for %d", next-1, first.Before-1)
	}
	commit(t, r.broker, 1, next)
	r.again(1)

	next = r.write(1)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := r.Wait(ctx, map[int]int64{1: next - 1}); err == nil {
		t.Error("a wait for what is not stored ended without an error")
	}
	second := nudge()
	if second.Before != next {
		t.Errorf("a wait for offset %d nudged the consumer for %d", next-1, second.Before-1)
	}
	if got := nudge(); got != second {
		t.Errorf("one wait sent the nudges %v and %v", second, got)
	}
}

// TestNudgeFails: a Kafka that takes no nudges is reported once, and reads only wait longer.
func TestNudgeFails(t *testing.T) {
	r := openReads(t, 5*time.Second)
	var log bytes.Buffer
	r.watcher.nudger.topic, r.watcher.nudger.log = "none", slog.New(slog.NewTextHandler(&log, nil))
	for range 2 {
		r.waitsFor(0)
	}
	r.watcher.nudger.sending.Wait()
	if got := strings.Count(log.String(), "cannot nudge the consumer"); got != 1 {
		t.Errorf("the failure was logged %d times, want once:\n%s", got, log.String())
	}
}
