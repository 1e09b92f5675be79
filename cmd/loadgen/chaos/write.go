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
)

func (w *Worker) writeBatches(ctx context.Context) {
	for ctx.Err() == nil {
		n := 1 + w.rand.IntN(500)
		first := w.Model.Take(n, false)
		w.Body = w.Source.AppendLines(w.Body[:0], first, n, nil)
		w.Post(&client.Request{ContentType: "application/x-ndjson", Body: w.Body}, first, n)
		w.pause(ctx, 20*time.Millisecond, 120*time.Millisecond)
	}
}

func (w *Worker) writeSingles(ctx context.Context) {
	for ctx.Err() == nil {
		first := w.Model.Take(1, false)
		w.Body = w.Source.Append(w.Body[:0], first, "")
		w.Post(&client.Request{ContentType: "application/json", Body: w.Body}, first, 1)
		w.pause(ctx, 5*time.Millisecond, 20*time.Millisecond)
	}
}

// writeKeyed repeats each entry until it is acknowledged, and sometimes once more, as a client that lost the answer would.
func (w *Worker) writeKeyed(ctx context.Context) {
	for ctx.Err() == nil {
		first := w.Model.Take(1, true)
		body := w.Source.Append(nil, first, "")
		req := &client.Request{ContentType: "application/json", IdempotencyKey: w.key(first), Body: body}
		w.repeat(ctx, func() bool { return w.Post(req, first, 1) })
	}
}

func (w *Worker) writeKeyedBatches(ctx context.Context) {
	for ctx.Err() == nil {
		n := 1 + w.rand.IntN(50)
		first := w.Model.Take(n, true)
		body := w.Source.AppendLines(nil, first, n, w.key)
		req := &client.Request{ContentType: "application/x-ndjson", Body: body}
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

// thrice goes on until post has succeeded three times: over restarts, if there are any.
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

// Post sends entries and notes what was said about each; true if all were acknowledged. It is never cut off by the end of
// the run: the fate of what has been sent is wanted.
func (w *Worker) Post(req *client.Request, first, n int) bool {
	req.Method, req.Path = http.MethodPost, client.Path
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
	case reply.Status == http.StatusOK:
		return w.accepted(reply, first, n)
	case reply.Status == http.StatusServiceUnavailable || reply.Status == http.StatusGatewayTimeout:
		o := refusal(reply)
		w.tell(first, n, o)
		w.Count("writes answered 503", 1)
		if o == refused {
			w.refusals.Observe(w.Took)
		}
		w.retryable(reply)
		Sleep(context.Background(), 200*time.Millisecond)
	case reply.Status == http.StatusInsufficientStorage && w.Full:
		w.tell(first, n, refused)
		w.Count("writes answered 507", 1)
		if reply.RetryAfter <= 0 || client.Code(reply) != 50701 {
			w.Violation("HTTP 507 with Retry-After %v: %.300s", reply.RetryAfter, reply.Body)
		}
		Sleep(context.Background(), 200*time.Millisecond)
	default:
		w.tell(first, n, refused)
		w.Violation("POST of %d entries: HTTP %d %.300s", n, reply.Status, reply.Body)
	}
	return false
}

// refusal is what an answer says about entries that were not acknowledged: nothing was accepted, or nobody knows.
func refusal(reply *client.Reply) outcome {
	if bytes.Contains(reply.Body, []byte("nothing was accepted")) {
		return refused
	}
	return unknown
}

func (w *Worker) tell(first, n int, o outcome) {
	for i := first; i < first+n; i++ {
		w.Model.told(i, o, 0)
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
			w.Model.told(first+i, unknown, 0)
			continue
		}
		w.Model.told(first+i, acknowledged, id)
		got++
	}
	w.Count("acknowledgements", got)
	if got != written.Accepted {
		w.Violation("POST of %d entries: accepted %d, but %d ids", n, written.Accepted, got)
	}
	return got == n
}

// retryable checks that a 503 or a 504 says when to come again, in the dialect's words.
func (w *Worker) retryable(reply *client.Reply) {
	if reply.Status == http.StatusServiceUnavailable && (reply.RetryAfter <= 0 || client.Code(reply) != 50301) {
		w.Violation("HTTP 503 with Retry-After %v: %.300s", reply.RetryAfter, reply.Body)
	}
	if !json.Valid(reply.Body) {
		w.Violation("HTTP %d without JSON: %.300s", reply.Status, reply.Body)
	}
}
