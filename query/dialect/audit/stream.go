package audit

import (
	"bufio"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/query/stored"
	"github.com/activitylog/activitylog/schema"
)

// times are the time limits of a stream.
type times struct {
	heartbeat time.Duration // longest time without a message to the client
	slow      time.Duration // a client that needs longer for one message is disconnected
}

var streamTimes = times{heartbeat: 15 * time.Second, slow: 10 * time.Second}

// retryAfter is when a client should reconnect after its stream has ended.
const retryAfter = 2 * time.Second

// stream sends matching entries as they are stored, as server-sent events (https://html.spec.whatwg.org/#server-sent-events).
// The event "entry" carries an item; its id continues the stream after it, at any service. The event "end" says why the stream ends:
// the service shuts down, the client is too slow, or something failed. The last id continues the stream after that, too.
func (a *API) stream(w http.ResponseWriter, r *http.Request) (*answer, error) {
	f, err := parseFilter(r)
	if err != nil {
		return nil, err
	}
	position, err := parsePosition(r)
	if err != nil {
		return nil, err
	}
	p, err := schema.PrincipalOf(r.Context())
	if err != nil {
		return nil, err
	}
	t, err := a.store.OpenTail(r.Context(), f, position)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // nginx would buffer events
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil, nil
	}
	e := events{w: bufio.NewWriter(w), control: http.NewResponseController(w)}
	if err := e.begin(t.Position()); err == nil {
		a.follow(r, t, p, e)
	}
	return nil, nil
}

// parsePosition reads where to continue: the header Last-Event-ID of a client that reconnects, or the parameter lastEventId. nil means
// with what is stored from now on.
func parsePosition(r *http.Request) (*stored.TailPosition, error) {
	name, text := "Last-Event-ID", r.Header.Get("Last-Event-ID")
	if text == "" {
		name, text = "lastEventId", r.URL.Query().Get("lastEventId")
	}
	if text == "" {
		return nil, nil
	}
	m, err := stored.ParseTailPosition(text)
	if err != nil {
		return nil, &schema.FieldError{Field: name, Code: "SYNTAX", Issue: "must be the id of an event"}
	}
	return &m, nil
}

// follow sends entries until the client disconnects or is too slow, or the service shuts down.
func (a *API) follow(r *http.Request, t *query.Tailing, p schema.Principal, e events) {
	ctx, cancel := drained(r)
	defer cancel()
	for {
		found, err := t.Next(ctx, a.times.heartbeat)
		switch {
		case r.Context().Err() != nil:
			return
		case ctx.Err() != nil:
			_ = e.end("the service stops")
			return
		case err != nil:
			a.log.ErrorContext(ctx, "stream failed", slog.Any("error", err))
			_ = e.end("failed")
			return
		}
		start := time.Now()
		if err := e.send(found, p, t.Position()); err != nil {
			return
		}
		if time.Since(start) > a.times.slow {
			_ = e.end("too slow")
			return
		}
	}
}

// events writes server-sent events.
type events struct {
	w       *bufio.Writer
	control *http.ResponseController
}

// begin sends the id from which a client continues if it reconnects before the first entry.
func (e events) begin(at stored.TailPosition) error {
	fmt.Fprintf(e.w, "retry: %d\nid: %s\n\n", retryAfter.Milliseconds(), at)
	return e.flush()
}

// send sends entries or, if there are none, a comment and the id that the stream has reached.
func (e events) send(found []query.Followed, p schema.Principal, at stored.TailPosition) error {
	if len(found) == 0 {
		fmt.Fprintf(e.w, ": %s\nid: %s\n\n", time.Now().UTC().Format(isoMillis), at)
	}
	for i := range found {
		fmt.Fprintf(e.w, "id: %s\nevent: entry\ndata: %s\n\n", found[i].Position, reply.JSON(itemFor(p, &found[i].Entry)))
	}
	return e.flush()
}

func (e events) end(why string) error {
	fmt.Fprintf(e.w, "event: end\ndata: {\"reason\":%q}\n\n", why)
	return e.flush()
}

func (e events) flush() error {
	if err := e.w.Flush(); err != nil {
		return err
	}
	return e.control.Flush()
}
