package reply

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/activitylog/activitylog/schema"
)

func TestFail(t *testing.T) {
	for _, c := range []struct {
		err     error
		status  int
		message string
		headers map[string]string
		logged  bool
	}{
		{schema.Missing("action"), 400, "action: is required", nil, false},
		{fmt.Errorf("x: %w", schema.ErrUnavailable), 503, "temporarily unavailable, try again", map[string]string{"Retry-After": "1"}, false},
		{fmt.Errorf("x: %w", schema.ErrUnauthenticated), 401, "credentials are missing or wrong", map[string]string{"WWW-Authenticate": "Bearer"}, false},
		{&schema.Refusal{Kind: schema.ErrForbidden, Issue: "needs more"}, 403, "needs more", nil, false},
		{ErrMethod, 405, "method not allowed", nil, false},
		{schema.ErrStorageFull, 507, "Insufficient Storage", map[string]string{"Retry-After": "1"}, false},
		{errors.New("SELECT secret"), 500, "internal error", nil, true},
		{context.Canceled, 500, "internal error", nil, false},
	} {
		var log strings.Builder
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		status := Fail(w, r, slog.New(slog.NewTextHandler(&log, nil)), c.err)
		if status != c.status || Message(c.err) != c.message || (log.Len() > 0) != c.logged || len(w.Header()) != len(c.headers) {
			t.Errorf("%v: got %d %q, headers %v, log %q", c.err, status, Message(c.err), w.Header(), log.String())
		}
		for name, want := range c.headers {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%v: %s is %q, want %q", c.err, name, got, want)
			}
		}
	}
}

func TestSend(t *testing.T) {
	w := httptest.NewRecorder()
	err := NotAllowed(w, "GET")
	Send(w, Status(err), "text/plain", JSON("<&>"))
	h := w.Header()
	if w.Code != 405 || w.Body.String() != `"<&>"` || h.Get("Allow") != "GET" || h.Get("Content-Type") != "text/plain" || h.Get("Content-Length") != "5" {
		t.Errorf("got %d %s %v", w.Code, w.Body, h)
	}
}
