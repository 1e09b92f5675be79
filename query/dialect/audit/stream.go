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

// times are those of a stream.
type times struct {
	heartbeat time.Duration // between two signs of life
	slow      time.Duration // a client that takes longer for what is sent at once is cut
}

var streamTimes = times{heartbeat: 15 * time.Second, slow: 10 * time.Second}

// retryAfter is when a client whose stream has ended should come again.
const retryAfter = 2 * time.Second

// stream follows a filter's entries as they are stored, as server-sent events (https://html.spec.whatwg.org/#server-sent-events):
// "entry" with an item, whose id leads on behind it, also at another service. It ends with "end", whose data says why: the service
// stops, the client is too slow, or something failed; the same id leads on from there.
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
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil, nil
	}
	e := events{w: bufio.NewWriter(w), control: http.NewResponseController(w)}
	if err := e.begin(t.Position()); err == nil {
		a.tell(r, t, p, e)
	}
	return nil, nil
}

// parsePosition reads where to go on: the header Last-Event-ID of a client that comes again, or a parameter; nil: with what is stored
// from now on.
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

// tell sends entries until the client goes or is cut, or the service stops.
func (a *API) tell(r *http.Request, t *query.Tailing, p schema.Principal, e events) {
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
			a.log.ErrorContext(ctx, "stream broken off", slog.Any("error", err))
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

// begin says where a client that comes again before the first entry should go on.
func (e events) begin(at stored.TailPosition) error {
	fmt.Fprintf(e.w, "retry: %d\nid: %s\n\n", retryAfter.Milliseconds(), at)
	return e.flush()
}

// send sends entries, or where there are none a comment and how far the stream has come.
func (e events) send(found []query.Followed, p schema.Principal, at stored.TailPosition) error {
	if len(found) == 0 {
		fmt.Fprintf(e.w, ": %s\nid: %s\n\n", time.Now().UTC().Format(isoMillis), at)
	}
	for i := range found {
		e.patience()
		fmt.Fprintf(e.w, "id: %s\nevent: entry\ndata: %s\n\n", found[i].Position, reply.JSON(itemFor(p, &found[i].Entry)))
	}
	return e.flush()
}

func (e events) end(why string) error {
	fmt.Fprintf(e.w, "event: end\ndata: {\"reason\":%q}\n\n", why)
	return e.flush()
}

func (e events) flush() error {
	e.patience()
	if err := e.w.Flush(); err != nil {
		return err
	}
	return e.control.Flush()
}

// patience gives the client some more time to take what is written.
func (e events) patience() {
	_ = e.control.SetWriteDeadline(time.Now().Add(stallTime)) // a recorder in a test has none
}
