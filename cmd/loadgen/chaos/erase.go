package chaos

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/client"
	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

// deleters delete single entries: enough of them that they go on while some wait for a partition without a consumer.
const deleters = 16

// deleteSingles deletes entries that were acknowledged, each until it is answered, and as many as its share.
func (w *Worker) deleteSingles(ctx context.Context) {
	share := (w.Deletes + deleters - 1) / deleters
	pace := w.Duration / time.Duration(share+1)
	for n := 0; n < share && ctx.Err() == nil; {
		w.pause(ctx, pace/2, pace+1)
		if i, ok := w.Model.pick(w.rand.IntN); ok {
			w.deleteOne(ctx, i)
			n++
		}
	}
}

// pick chooses an entry that was acknowledged, has no key, and that nobody has asked to delete; and marks it.
func (m *model) pick(draw func(int) int) (int, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for range 100 {
		if len(m.fates) == 0 {
			return 0, false
		}
		i := draw(len(m.fates))
		if f := &m.fates[i]; f.outcome == acknowledged && !f.keyed && f.erase == kept && m.judge(f) == mustStay {
			f.erase = asked
			return i, true
		}
	}
	return 0, false
}

func (w *Worker) deleteOne(ctx context.Context, i int) {
	id := w.Model.idOf(i)
	certain := true // nobody has deleted it yet
	for ctx.Err() == nil {
		reply, err := w.Read.Delete(context.WithoutCancel(ctx), id)
		switch {
		case errors.Is(err, client.ErrNotSent):
		case err != nil:
			w.Count("deletes unanswered", 1)
			certain = false
		case reply.Status == http.StatusOK:
			w.Count("deletes", 1)
			w.Model.erased(i)
			w.checkGone(ctx, i, id)
			return
		case reply.Status == http.StatusNotFound:
			w.Count("deletes of what had gone", 1)
			if certain && !w.Model.wiped(i) {
				w.Violation("DELETE of the acknowledged id %d: %.200s", id, reply.Body)
			}
			w.Model.erased(i)
			return
		default:
			w.postponed("DELETE of one", reply)
			certain = false
		}
		w.pause(ctx, 50*time.Millisecond, 300*time.Millisecond)
	}
}

// postponed checks an answer that is neither a success nor an error of the caller.
func (w *Worker) postponed(what string, reply *client.Reply) {
	w.Count("reads and deletes answered 503 or 504", 1)
	if reply.Status != http.StatusServiceUnavailable && reply.Status != http.StatusGatewayTimeout {
		w.Violation("%s: HTTP %d %.300s", what, reply.Status, reply.Body)
		return
	}
	w.retryable(reply)
}

func (m *model) idOf(i int) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fates[i].id
}

func (m *model) erased(i int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fates[i].erase = erased
}

// wiped says whether a delete of everything may have taken the entry.
func (m *model) wiped(i int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.wipes {
		if m.fates[i].sent < x.done {
			return true
		}
	}
	return false
}

// checkGone reads whether a deleted entry is still listed.
func (w *Worker) checkGone(ctx context.Context, i int, id uint64) {
	items, ok := w.list(ctx, i, "")
	for _, it := range items {
		if ok && it.ID == id {
			w.Violation("id %d is listed after its delete was answered", id)
		}
	}
}

// list reads what is listed around entry i; false if no answer could be had.
func (w *Worker) list(ctx context.Context, i int, position string) ([]client.Item, bool) {
	e, err := w.Source.Entry(i)
	if err != nil {
		return nil, false
	}
	second := strconv.FormatInt(e.Timestamp/1000, 10)
	next := strconv.FormatInt(e.Timestamp/1000+1, 10)
	params := url.Values{"serial": {e.Serial}, "action_type": {e.Action}, "start": {second}, "end": {next}, "limit": {"1000"}}
	return w.page(ctx, client.Query{Params: params, Position: position})
}

func (w *Worker) page(ctx context.Context, q client.Query) ([]client.Item, bool) {
	items, _, err := w.Read.List(context.WithoutCancel(ctx), q)
	w.NoteRead(err)
	return items, err == nil
}

// deleteAlls deletes everything, at even intervals in the first 60 % of the run, and then waits as long as the rest would
// last: what is written then is there to be lost.
func (w *Worker) deleteAlls(ctx context.Context) {
	pace := w.Duration * 6 / 10 / time.Duration(w.Wipes)
	if w.untilStruck {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.Duration*7/10)
		defer cancel()
	}
	for range w.Wipes {
		Sleep(ctx, pace)
		for ctx.Err() == nil && !w.deleteAll(ctx) {
			w.pause(ctx, 50*time.Millisecond, 300*time.Millisecond)
		}
	}
	Sleep(ctx, w.Duration*4/10)
}

func (w *Worker) deleteAll(ctx context.Context) (answered bool) {
	at := w.Model.beginWipe()
	reply, err := w.Read.DeleteAll(context.WithoutCancel(ctx))
	if errors.Is(err, client.ErrNotSent) {
		w.Model.cancelWipe(at)
		return false
	}
	answered = err == nil && reply.Status == http.StatusOK
	sent := w.Model.endWipe(at, answered)
	switch {
	case answered:
		w.Count("delete-alls", 1)
		w.checkWiped(ctx, sent)
	case err != nil:
		w.Count("delete-alls unanswered", 1)
	default:
		w.postponed("DELETE of all", reply)
	}
	return answered
}

func (m *model) beginWipe() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wipes = append(m.wipes, wipe{sent: m.Now(), done: 1<<63 - 1})
	return len(m.wipes) - 1
}

// cancelWipe takes back the last wipe: it never left.
func (m *model) cancelWipe(at int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wipes = m.wipes[:at]
}

func (m *model) endWipe(at int, answered bool) (sent moment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wipes[at].done, m.wipes[at].answered = m.Now(), answered
	return m.wipes[at].sent
}

// checkWiped reads whether anything that was acknowledged before the delete is still listed.
func (w *Worker) checkWiped(ctx context.Context, sent moment) {
	items, _ := w.page(ctx, client.Query{Params: url.Values{"limit": {"1000"}}})
	for _, it := range items {
		if i := workload.IndexOf(it.Detail); w.Model.acknowledgedBy(i, sent) {
			w.Violation("id %d is listed after a delete of everything was answered", it.ID)
			return
		}
	}
}

func (m *model) acknowledgedBy(i int, at moment) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i < 0 || i >= len(m.fates) {
		return false
	}
	f := &m.fates[i]
	return f.outcome == acknowledged && !f.fuzzy && f.done <= at
}
