package chaos

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/client"
)

// readOwnWrites writes one entry and reads it back at the position that it was given.
func (w *Worker) readOwnWrites(ctx context.Context) {
	for ctx.Err() == nil {
		i := w.Model.Take(1, false)
		w.Body = w.Source.Append(w.Body[:0], i, "")
		req := &client.Request{Method: http.MethodPost, Path: client.Path, ContentType: "application/json", Body: w.Body}
		if w.Post(req, i, 1) {
			w.readBack(ctx, i)
		}
		w.pause(ctx, 50*time.Millisecond, 200*time.Millisecond)
	}
}

func (w *Worker) readBack(ctx context.Context, i int) {
	id := w.Model.idOf(i)
	items, ok := w.list(ctx, i, w.last)
	if !ok {
		return
	}
	w.Count("own writes read back", 1)
	for _, it := range items {
		if it.ID == id {
			return
		}
	}
	if !w.Model.wiped(i) && w.Model.stillKept(i) {
		w.Violation("id %d is not listed at position %s", id, w.last)
	}
}

func (m *model) stillKept(i int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fates[i].erase == kept
}

// NoteRead counts the outcome of a read; one that is neither a success nor an outage is a violation.
func (w *Worker) NoteRead(err error) {
	var status *client.StatusError
	switch {
	case err == nil:
		w.Count("reads", 1)
	case errors.As(err, &status) && (status.Status == http.StatusServiceUnavailable || status.Status == http.StatusGatewayTimeout):
		w.Count("reads and deletes answered 503 or 504", 1)
	case errors.As(err, &status), errors.Is(err, client.ErrReply):
		w.Violation("GET: %v", err)
	case errors.Is(err, client.ErrNotSent):
	default:
		w.Count("reads unanswered", 1)
	}
}
