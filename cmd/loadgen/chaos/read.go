package chaos

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/client"
)

// readOwnWrites writes one entry and reads it back at the position that it was given.
func (w *worker) readOwnWrites(ctx context.Context) {
	for ctx.Err() == nil {
		i, source := w.next(1, false)
		w.body = source.Append(w.body[:0], i, "")
		if w.post(requestOf(source, "application/json", w.body), i, 1) {
			w.readBack(ctx, i)
		}
		w.pause(ctx, 50*time.Millisecond, 200*time.Millisecond)
	}
}

func (w *worker) readBack(ctx context.Context, i int) {
	id := w.model.idOf(i)
	items, ok := w.list(ctx, i, w.last)
	if !ok {
		return
	}
	w.count("own writes read back", 1)
	for _, it := range items {
		if it.ID == id {
			return
		}
	}
	if !w.model.wiped(i) && w.model.stillKept(i) {
		w.violation("id %d is not listed at position %s", id, w.last)
	}
}

func (m *model) stillKept(i int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fates[i].erase == kept
}

func (r *run) reachedSoFar() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.position.String()
}

// noteRead counts the outcome of a read; one that is neither a success nor an outage is a violation.
func (w *worker) noteRead(err error) {
	var status *client.StatusError
	switch {
	case err == nil:
		w.count("reads", 1)
	case errors.As(err, &status) && (status.Status == http.StatusServiceUnavailable || status.Status == http.StatusGatewayTimeout):
		w.count("reads and deletes answered 503 or 504", 1)
	case errors.As(err, &status), errors.Is(err, client.ErrReply):
		w.violation("GET: %v", err)
	case errors.Is(err, client.ErrNotSent):
	default:
		w.count("reads unanswered", 1)
	}
}
