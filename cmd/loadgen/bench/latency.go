package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/client"
	"github.com/activitylog/activitylog/cmd/loadgen/load"
	"github.com/activitylog/activitylog/cmd/loadgen/stats"
	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

const singleConnections = 64

func (b *bench) singles(ctx context.Context, s *standalone) error {
	before := s.cpu()
	r, err := load.Run(ctx, load.Config{URL: s.Write, Connections: singleConnections, Batch: 1, Duration: b.Time, Retries: 1000}, b.source(1_000_000), nil,
		func(r load.Result) { b.Update("%d accepted, %.0f a second", r.Accepted, r.Rate) })
	if err != nil {
		return err
	}
	goal, note := "≥ 0.22 × the no-op handler", "64 connections, fsync"
	if b.noOp > 0 {
		note += fmt.Sprintf("; %.2f × the no-op handler", r.Rate/b.noOp)
	}
	b.add("single POSTs", goal, note, "%.0f/s", r.Rate)
	b.add("single POSTs, latency", "p99 ≤ 10 ms", "", "p50 %v, p99 %v, max %v", round(r.Latency.P50), round(r.Latency.P99), round(r.Latency.Max))
	b.add("single POSTs, CPU an entry", "", "stored in the same time", "%.1f µs", (s.cpu()-before).Seconds()*1e6/float64(r.Accepted))
	if r.Rejected+r.Unanswered > 0 {
		b.add("single POSTs, refused or unanswered", "0", "", "%d", r.Rejected+r.Unanswered)
	}
	return awaitRows(ctx, s.Store, r.Accepted)
}

// fresh measures how long after a POST was sent its entry is listed: alone, and under a steady trickle.
func (b *bench) fresh(ctx context.Context, s *standalone) error {
	source := b.source(100_000)
	f := &freshness{source: source}
	if err := f.open(s.Read); err != nil {
		return err
	}
	defer f.conn.Close()
	if err := warmUp(ctx, f.conn); err != nil {
		return err
	}
	if err := f.measure(ctx, 50, func() { sleep(ctx, 400*time.Millisecond) }); err != nil {
		return err
	}
	b.add("a lone POST is listed", "p50 < 100 ms, p99 < 250 ms", "from sending it to the list's answer", "p50 %v, p99 %v", round(f.seen.Quantile(0.5)), round(f.seen.Quantile(0.99)))
	trickle, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		_, err := load.Run(trickle, load.Config{URL: s.Write, Connections: 4, Batch: 1, Rate: 20, First: 50_000, Retries: 10}, source, nil, nil)
		ended <- err
	}()
	f.seen = stats.Histogram{}
	before, begun := s.cpu(), time.Now()
	err := f.measure(ctx, 40, func() { sleep(ctx, 200*time.Millisecond) })
	cpu := (s.cpu() - before).Seconds() / time.Since(begun).Seconds()
	cancel()
	if e := <-ended; err == nil {
		err = e
	}
	b.add("under 20 single POSTs a second, a POST is listed", "p99 ≤ 1.2 s", "", "p50 %v, p99 %v", round(f.seen.Quantile(0.5)), round(f.seen.Quantile(0.99)))
	b.add("under that trickle, CPU with these reads", "≤ 25 % of a core", "", "%.1f %%", 100*cpu)
	return err
}

// warmUp makes the first list of an installation, which takes a second more: the key of the cursors is made for it.
func warmUp(ctx context.Context, c *client.Conn) error {
	_, _, err := c.List(ctx, client.Query{Params: url.Values{}})
	return err
}

type freshness struct {
	source *workload.Source
	conn   *client.Conn
	next   int
	seen   stats.Histogram
}

func (f *freshness) open(base string) (err error) {
	f.conn, err = client.New(base, 30*time.Second)
	return err
}

func (f *freshness) measure(ctx context.Context, n int, between func()) error {
	for range n {
		between()
		begun := time.Now()
		reply, err := f.conn.Do(ctx, &client.Request{Method: http.MethodPost, Path: client.Path, ContentType: "application/json", Body: f.source.Append(nil, f.next, "")})
		if err != nil {
			return err
		}
		w, err := client.ParseWritten(reply, 1, true)
		if err != nil {
			return err
		}
		if err := f.awaitListed(ctx, w.IDs[0], f.next); err != nil {
			return err
		}
		f.seen.Observe(time.Since(begun))
		f.next++
	}
	return nil
}

// awaitListed reads again and again, as somebody would who watches the list.
func (f *freshness) awaitListed(ctx context.Context, id uint64, i int) error {
	e, err := f.source.Entry(i)
	if err != nil {
		return err
	}
	params := url.Values{"serial": {e.Serial}, "start": {strconv.FormatInt(e.Timestamp/1000, 10)}, "limit": {"1000"}, "end": {strconv.FormatInt(e.Timestamp/1000+1, 10)}}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		items, _, err := f.conn.List(ctx, client.Query{Params: params})
		if err != nil {
			return err
		}
		for _, it := range items {
			if it.ID == id {
				return nil
			}
		}
		sleep(ctx, 5*time.Millisecond)
	}
}

// idle measures what the whole product costs while nobody asks for anything, and under a trickle without readers.
func (b *bench) idle(ctx context.Context, s *standalone) error {
	r, err := load.Run(ctx, load.Config{URL: s.Write, Connections: 4, Batch: 100, Count: 100_000}, b.source(100_000), nil, nil)
	if err != nil {
		return err
	}
	if err := awaitRows(ctx, s.Store, r.Accepted); err != nil {
		return err
	}
	if err := b.awaitQuiet(ctx, s.Store, s.cpu); err != nil {
		return err
	}
	before := s.cpu()
	sleep(ctx, b.Time)
	b.add("idle, CPU of standalone", "≤ 2 % of a core", "", "%.1f %%", 100*(s.cpu()-before).Seconds()/b.Time.Seconds())
	before = s.cpu()
	if r, err = load.Run(ctx, load.Config{URL: s.Write, Connections: 4, Batch: 1, Rate: 20, Duration: 2 * b.Time, First: 100_000}, b.source(200_000), nil, nil); err != nil {
		return err
	}
	b.add("20 single POSTs a second, CPU of standalone", "≤ 25 % of a core", "", "%.1f %%", 100*(s.cpu()-before).Seconds()/r.Elapsed.Seconds())
	b.add("20 single POSTs a second, latency", "", "", "p50 %v, p99 %v", round(r.Latency.P50), round(r.Latency.P99))
	parts, err := s.Store.Numbers(ctx, `SELECT count() FROM system.parts WHERE active AND table = 'activity'`)
	if err != nil {
		return err
	}
	b.add("active parts after it", "bounded", "", "%d", parts[0])
	return nil
}
