// Package load sends a workload to a server over several connections and measures how fast the server accepts it. If a rate is
// set, a latency counts from when the request was due, not from when a busy connection sent it: a server that stalls cannot hide
// the requests that it delayed.
package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/client"
	"github.com/activitylog/activitylog/cmd/loadgen/journal"
	"github.com/activitylog/activitylog/cmd/loadgen/stats"
	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

// Config says what to send and how.
type Config struct {
	URL         string
	Connections int
	Batch       int           // entries of a request; 1 sends single objects
	Rate        float64       // entries a second over all connections; 0: as fast as answers come
	First       int           // the first entry to send
	Count       int           // entries to send; 0: until Duration has passed
	Duration    time.Duration // 0: until Count has been sent
	Encoding    string        // of the bodies: "", gzip or zstd
	Keyed       bool          // each entry carries an event_id, and an unanswered request is repeated
	Timeout     time.Duration // of a request
	Retries     int           // of a request that was refused for the moment, and of a keyed request that was not answered
}

// Defaults returns c with a default in each zero field.
func (c Config) Defaults() Config {
	c.Connections, c.Batch = max(c.Connections, 1), max(c.Batch, 1)
	if c.Encoding == "none" {
		c.Encoding = ""
	}
	if c.Timeout == 0 {
		c.Timeout = 15 * time.Second
	}
	if c.Count == 0 {
		c.Count = math.MaxInt - c.First
	}
	return c
}

// Result is the outcome of a load.
type Result struct {
	Requests   int64         `json:"requests"`
	Accepted   int64         `json:"accepted"`   // entries
	Rejected   int64         `json:"rejected"`   // entries that were answered with an error
	Unanswered int64         `json:"unanswered"` // entries whose outcome is unknown
	Retried    int64         `json:"retried"`    // requests sent again
	Bytes      int64         `json:"bytes"`      // of bodies, as sent
	Elapsed    time.Duration `json:"elapsed_ns"`
	Rate       float64       `json:"accepted_per_s"`
	Latency    stats.Summary `json:"latency"`
}

// Run sends until everything has been sent or ctx ends. The journal and the progress may be nil.
func Run(ctx context.Context, cfg Config, source *workload.Source, notes *journal.Writer, watch func(Result)) (Result, error) {
	r := &runner{Config: cfg.Defaults(), source: source, notes: notes, begun: time.Now()}
	if r.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.Duration)
		defer cancel()
	}
	r.next.Store(int64(r.First))
	errs := make([]error, r.Connections)
	var workers sync.WaitGroup
	for i := range errs {
		workers.Go(func() { errs[i] = r.work(ctx, i) })
	}
	stop := r.report(watch)
	workers.Wait()
	stop()
	return r.result(), errors.Join(errs...)
}

type runner struct {
	Config
	source *workload.Source
	notes  *journal.Writer
	begun  time.Time

	next                                              atomic.Int64
	requests, accepted, rejected, unanswered, retried atomic.Int64
	bytes                                             atomic.Int64
	latency                                           stats.Histogram
}

func (r *runner) result() Result {
	elapsed := time.Since(r.begun)
	return Result{
		Requests: r.requests.Load(), Accepted: r.accepted.Load(), Rejected: r.rejected.Load(), Unanswered: r.unanswered.Load(),
		Retried: r.retried.Load(), Bytes: r.bytes.Load(), Elapsed: elapsed, Rate: float64(r.accepted.Load()) / elapsed.Seconds(),
		Latency: r.latency.Summary(),
	}
}

// report calls watch four times a second until stop is called.
func (r *runner) report(watch func(Result)) (stop func()) {
	if watch == nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				watch(r.result())
			}
		}
	}()
	return func() { close(done); <-ended }
}

// work sends the next entries that no other connection sends, until none are left.
func (r *runner) work(ctx context.Context, seed int) error {
	conn, err := client.New(r.URL, r.Timeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	w := &worker{runner: r, conn: conn, jitter: jitter(seed)}
	if w.pack, err = packer(r.Encoding); err != nil {
		return err
	}
	for ctx.Err() == nil {
		first := int(r.next.Add(int64(r.Batch))) - r.Batch
		n := min(r.Batch, r.First+r.Count-first)
		if n <= 0 {
			return nil
		}
		due := r.due(ctx, first)
		if ctx.Err() != nil {
			return nil
		}
		// A request that has begun is completed: otherwise its outcome would be unknown.
		if err := w.send(context.WithoutCancel(ctx), first, n); err != nil {
			return err
		}
		r.latency.Observe(time.Since(due))
	}
	return nil
}

// due waits until the entry is due, and returns when that is.
func (r *runner) due(ctx context.Context, entry int) time.Time {
	if r.Rate <= 0 {
		return time.Now()
	}
	at := r.begun.Add(time.Duration(float64(entry-r.First) / r.Rate * float64(time.Second)))
	pause(ctx, time.Until(at))
	return at
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (r *runner) keyOf(i int) string { return fmt.Sprintf("loadgen-%d-%d", r.source.Seed, i) }
