package stored

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// adopt replaces the broker's log by another one with these epochs, and returns when s has seen it.
func adopt(t *testing.T, s *Progress, b *testbed.Broker, origin bool, epochs ...schemakafka.Epoch) {
	t.Helper()
	state, err := schemakafka.BeginLog(t.Context(), b.Client(), b.Topic())
	if err != nil {
		t.Fatal(err)
	}
	next := state.Log.Successor()
	if next.Epochs = epochs; origin {
		next.Origin = next.ID
	}
	if _, err := schemakafka.AppendLog(t.Context(), b.Client(), b.Topic(), next); err != nil {
		t.Fatal(err)
	}
	b.Confirm()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if log, err := s.LogNow(t.Context()); err == nil && log.ID == next.ID {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the log has not been seen within 10 s")
		}
	}
}

// A position of an earlier log is refused, and so is one with offsets that the log has lost. A read waits for a position of the current
// log, and ignores commits for another topic of entries.
func TestPositionsOfAnEarlierLog(t *testing.T) {
	s, b := open(t, 200*time.Millisecond)
	commit(t, b, 0, 5)
	if err := s.Await(t.Context(), schema.Position{0: 4}); err != nil {
		t.Fatal(err)
	}
	const base = schemakafka.EpochStep
	adopt(t, s, b, false, schemakafka.Epoch{}, schemakafka.Epoch{Base: base, From: map[int]int64{0: 3}})
	for _, tc := range []struct {
		name     string
		position schema.Position
		want     error
	}{
		{"before it lost its end", schema.Position{0: 2}, nil},
		{"what it lost", schema.Position{0: 4}, schema.ErrInvalid},
		{"what it lost, among others", schema.Position{0: 4, 1: 0}, schema.ErrInvalid},
		{"behind its new end", schema.Position{0: base + 3}, schema.ErrTimeout}, // 5 was committed for other records
		{"of another partition", schema.Position{1: 3}, schema.ErrTimeout},
	} {
		if err := s.Await(t.Context(), tc.position); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, err, tc.want)
		}
	}
	adopt(t, s, b, true, schemakafka.Epoch{Base: 2 * base})
	for _, tc := range []struct {
		name     string
		position schema.Position
		want     error
	}{
		{"of the first log", schema.Position{0: 2}, schema.ErrInvalid},
		{"of the second log", schema.Position{0: base + 3}, schema.ErrInvalid},
		{"of a partition that had nothing", schema.Position{1: 0}, schema.ErrInvalid},
		{"of the third log", schema.Position{0: 2 * base}, schema.ErrTimeout}, // the commit is for another topic
	} {
		if err := s.Await(t.Context(), tc.position); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, err, tc.want)
		}
	}
	var fault *schema.FieldError
	if err := s.Await(t.Context(), schema.Position{0: 2}); !errors.As(err, &fault) || fault.Field != "position" || !strings.Contains(fault.Issue, "earlier log") {
		t.Errorf("got %v, want a fault that names the position", err)
	}
	ends, err := s.Ends(t.Context())
	if err != nil || ends[0] != 2*base || ends[1] != 2*base {
		t.Errorf("got the ends %v, %v, want those of an empty topic", ends, err)
	}
}

// While the log is refused, nothing can be waited for.
func TestALogThatIsRefused(t *testing.T) {
	s, b := open(t, 200*time.Millisecond)
	commit(t, b, 0, 5)
	state, err := schemakafka.BeginLog(t.Context(), b.Client(), b.Topic())
	if err == nil {
		err = schemakafka.RefuseLog(t.Context(), b.Client(), b.Topic(), state.Log.ID, "of other tables")
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.LogNow(t.Context()); !errors.Is(err, schema.ErrUnavailable) || !strings.Contains(err.Error(), "of other tables") {
		t.Errorf("got %v, want why it is refused", err)
	}
	if err := s.Await(t.Context(), schema.Position{0: 4}); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("a wait: got %v, want unavailable", err)
	}
	if err := s.Unchanged(t.Context(), state.Log); !errors.Is(err, schema.ErrTimeout) {
		t.Errorf("what was published meanwhile: got %v, want that nobody knows what becomes of it", err)
	}
}
