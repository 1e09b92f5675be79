package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/activitylog/activitylog/schema/api/client"
)

// progress shows the progress of a download on a terminal. A nil progress shows nothing.
type progress struct {
	done    atomic.Int64
	stopped chan struct{}
	drawing sync.WaitGroup
}

// watch shows the progress of d on f, if f is a terminal.
func watch(ctx context.Context, d *download, f *os.File) *progress {
	if !terminal(f) {
		return nil
	}
	p := &progress{stopped: make(chan struct{})}
	p.done.Store(int64(d.rows.n))
	p.drawing.Go(func() { p.draw(f, d.total(ctx)) })
	return p
}

// total returns roughly how many entries to expect; 0 if unknown.
func (d *download) total(ctx context.Context) int64 {
	p := d.parameters
	res, err := granted(d.ask.AuditCount(ctx, &client.AuditCountParams{
		Tenant: p.Tenant, UserId: p.UserId, Username: p.Username, Action: p.Action, TargetType: p.TargetType, TargetId: p.TargetId,
		Platform: p.Platform, Serial: p.Serial, RequestId: p.RequestId, Search: p.Search, StartDate: p.StartDate, EndDate: p.EndDate,
	}))
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	var answer struct{ Data struct{ Count int64 } }
	_ = json.NewDecoder(res.Body).Decode(&answer)
	return answer.Data.Count
}

func (p *progress) draw(f *os.File, total int64) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		fmt.Fprint(f, "\r", bar(p.done.Load(), total), "\x1b[K")
		select {
		case <-p.stopped:
			fmt.Fprint(f, "\r", bar(p.done.Load(), total), "\x1b[K\n")
			return
		case <-tick.C:
		}
	}
}

// bar formats a line of progress.
func bar(done, total int64) string {
	if total < 1 {
		return fmt.Sprintf("%d entries", done)
	}
	const width = 30
	part := min(float64(done)/float64(total), 1)
	full := int(part * width)
	return fmt.Sprintf("[%s%s] %3.0f %%  %d of %d entries", strings.Repeat("=", full), strings.Repeat(" ", width-full), part*100, done, total)
}

// set sets how many entries have been received.
func (p *progress) set(n int64) {
	if p != nil {
		p.done.Store(n)
	}
}

func (p *progress) stop() {
	if p != nil {
		close(p.stopped)
		p.drawing.Wait()
	}
}
