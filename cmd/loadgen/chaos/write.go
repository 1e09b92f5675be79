package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/client"
	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

// next gives w the next n entries, and the workload that they are of: the plain one or the rich one.
func (w *Worker) next(n int, keyed bool) (first int, source *workload.Source) {
	if w.rand.IntN(2) == 0 {
		return w.Model.Take(n, keyed), w.Source
	}
	return w.Model.takeRich(n, keyed), w.Rich
}

// requestOf sends entries of source in the dialect that it is in.
func requestOf(source *workload.Source, contentType string, body []byte) *client.Request {
	req := &client.Request{Method: http.MethodPost, Path: client.Path, ContentType: contentType, Body: body}
	if source.IsRich() {
		req.Path = client.AuditPath
		if contentType == lines {
			req.Path = client.AuditBatchPath
		}
	}
	return req
}

const lines = "application/x-ndjson"

func (w *Worker) writeBatches(ctx context.Context) {
	for ctx.Err() == nil {
		n := 1 + w.rand.IntN(500)
		first, source := w.next(n, false)
		w.Body = source.AppendLines(w.Body[:0], first, n, nil)
		w.Post(requestOf(source, lines, w.Body), first, n)
		w.pause(ctx, 20*time.Millisecond, 120*time.Millisecond)
	}
}

func (w *Worker) writeSingles(ctx context.Context) {
	for ctx.Err() == nil {
		first, source := w.next(1, false)
		w.Body = source.Append(w.Body[:0], first, "")
		w.Post(requestOf(source, "application/json", w.Body), first, 1)
		w.pause(ctx, 5*time.Millisecond, 20*time.Millisecond)
	}
}

// writeKeyed repeats each entry until it is acknowledged, and sometimes once more, like a client that lost the response.
func (w *Worker) writeKeyed(ctx context.Context) {
	for ctx.Err() == nil {
		first, source := w.next(1, true)
		req := requestOf(source, "application/json", source.Append(nil, first, ""))
		req.IdempotencyKey = w.key(first)
		w.repeat(ctx, func() bool { return w.Post(req, first, 1) })
	}
}

func (w *Worker) writeKeyedBatches(ctx context.Context) {
	for ctx.Err() == nil {
		n := 1 + w.rand.IntN(50)
		first, source := w.next(n, true)
		req := requestOf(source, lines, source.AppendLines(nil, first, n, w.key))
		w.repeat(ctx, func() bool { return w.Post(req, first, n) })
	}
}

func (w *Worker) key(i int) string { return fmt.Sprintf("chaos-%d-%d", w.Seed, i) }

func (w *Worker) repeat(ctx context.Context, post func() bool) {
	const tries = 5
	if w.Thrice {
		w.thrice(ctx, post)
		return
	}
	for range tries {
		done := post()
		w.pause(ctx, 10*time.Millisecond, 60*time.Millisecond)
		if done && w.rand.IntN(2) == 0 {
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// thrice repeats post until it has succeeded three times, also over restarts.
func (w *Worker) thrice(ctx context.Context, post func() bool) {
	for done := 0; ctx.Err() == nil; w.pause(ctx, 10*time.Millisecond, 400*time.Millisecond) {
		if !post() {
			continue
		}
		if done++; done == 3 {
			w.Count("keyed requests acknowledged three times", 1)
			return
		}
	}
}

// Post sends entries and records the response for each; true if all were acknowledged. It is never cut off by the end of
// the run: the fate of what has been sent is wanted.
func (w *Worker) Post(req *client.Request, first, n int) bool {
	req.Method = http.MethodPost
	if req.Path == "" {
		req.Path = client.Path
	}
	begun := time.Now()
	reply, err := w.write.Do(context.Background(), req)
	w.Took = time.Since(begun)
	switch {
	case errors.Is(err, client.ErrNotSent):
		w.tell(first, n, refused)
		Sleep(context.Background(), 100*time.Millisecond)
	case err != nil:
		w.tell(first, n, unknown)
		w.Count("writes unanswered", 1)
	case reply.Status == http.StatusOK, reply.Status == http.StatusCreated:
		return w.accepted(reply, first, n)
	case reply.Status == http.StatusServiceUnavailable:
		w.tell(first, n, refused)
		w.Count("writes answered 503", 1)
		w.refusals.Observe(w.Took)
		if !bytes.Contains(reply.Body, []byte("nothing was accepted")) {
			w.Violation("HTTP 503 does not say that nothing was accepted: %.300s", reply.Body)
		}
		w.retryable(reply, says(req, reply, 50301))
		Sleep(context.Background(), 200*time.Millisecond)
	case reply.Status == http.StatusGatewayTimeout:
		w.tell(first, n, unknown)
		w.Count("writes answered 504", 1)
		if !says(req, reply, 50401) {
			w.Violation("HTTP 504: %.300s", reply.Body)
		}
		w.retryable(reply, true)
		Sleep(context.Background(), 200*time.Millisecond)
	case reply.Status == http.StatusInsufficientStorage && w.Full:
		w.tell(first, n, refused)
		w.Count("writes answered 507", 1)
		if reply.RetryAfter <= 0 || !says(req, reply, 50701) {
			w.Violation("HTTP 507 with Retry-After %v: %.300s", reply.RetryAfter, reply.Body)
		}
		Sleep(context.Background(), 200*time.Millisecond)
	default:
		w.tell(first, n, refused)
		w.Violation("POST of %d entries: HTTP %d %.300s", n, reply.Status, reply.Body)
	}
	return false
}

func (w *Worker) tell(first, n int, o outcome) {
	for i := first; i < first+n; i++ {
		w.Model.answered(i, o, 0)
	}
}

func (w *Worker) accepted(reply *client.Reply, first, n int) bool {
	written, err := client.ParseWritten(reply, n, true)
	if err != nil {
		w.tell(first, n, unknown)
		w.Violation("POST of %d entries: %v", n, err)
		return false
	}
	w.reached(reply.Position)
	w.last = reply.Position
	got := 0
	for i, id := range written.IDs {
		if id == 0 {
			w.Model.answered(first+i, unknown, 0)
			continue
		}
		w.Model.answered(first+i, acknowledged, id)
		got++
	}
	w.Count("acknowledgements", got)
	if got != written.Accepted {
		w.Violation("POST of %d entries: accepted %d, but %d ids", n, written.Accepted, got)
	}
	return got == n
}

// says whether a refusal is in the words of the dialect that was spoken, the fleet dialect's with its code.
func says(req *client.Request, reply *client.Reply, code int) bool {
	if req.Path != client.Path {
		return bytes.HasPrefix(reply.Body, []byte(`{"success":false,"message":"`))
	}
	return client.Code(reply) == code
}

// retryable checks that a 503 or a 504 says when to come again, in the dialect's words.
func (w *Worker) retryable(reply *client.Reply, inDialect bool) {
	if reply.Status == http.StatusServiceUnavailable && (reply.RetryAfter <= 0 || !inDialect) {
		w.Violation("HTTP 503 with Retry-After %v: %.300s", reply.RetryAfter, reply.Body)
	}
	if !json.Valid(reply.Body) {
		w.Violation("HTTP %d without JSON: %.300s", reply.Status, reply.Body)
	}
}
