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

// Figures that ratios use.
const (
	singlesRate     = "single POSTs, fsync"
	singlesUnsynced = "single POSTs, without fsync"
)

// singles sends single entries, without and with fsync.
func (b *bench) singles(ctx context.Context) error {
	for _, kind := range []struct {
		what string
		env  []string
	}{{singlesUnsynced, []string{"BROKER_SYNC=false"}}, {singlesRate, nil}} {
		s, err := b.open(ctx, "singles", kind.env...)
		if err != nil {
			return err
		}
		err = b.singlesOn(ctx, s, kind.what)
		s.close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) singlesOn(ctx context.Context, s *standalone, what string) error {
	before := s.cpu()
	r, err := load.Run(ctx, load.Config{URL: s.Write, Connections: singleConnections, Batch: 1, Duration: b.Time / 2, Retries: 1000}, b.source(1_000_000), nil,
		func(r load.Result) { b.Update("%d accepted, %.0f a second", r.Accepted, r.Rate) })
	if err != nil {
		return err
	}
	b.add(Figure{What: what, Unit: "%.1fk/s", Note: "64 connections"}, r.Rate/1e3)
	b.add(Figure{What: what + ", p50", Unit: "%.1f ms"}, ms(r.Latency.P50))
	b.add(Figure{What: what + ", p99", Unit: "%.1f ms", Goal: atMost(10)}, ms(r.Latency.P99))
	b.add(Figure{What: what + ", CPU per entry", Unit: "%.1f µs", Note: "stored in the same time"}, (s.cpu()-before).Seconds()*1e6/float64(r.Accepted))
	b.add(Figure{What: what + ", refused or unanswered", Unit: "%.0f", Goal: atMost(0)}, float64(r.Rejected+r.Unanswered))
	return awaitRows(ctx, s.Store, r.Accepted)
}

// fresh measures the time from sending a POST until its entry is listed: alone, and under a steady small load.
func (b *bench) fresh(ctx context.Context, s *standalone) error {
	source := b.source(100_000)
	f := &freshness{source: source, seen: &b.lone}
	if err := f.open(s.Read); err != nil {
		return err
	}
	defer f.conn.Close()
	if err := warmUp(ctx, f.conn); err != nil {
		return err
	}
	if err := f.measure(ctx, 30, func() { sleep(ctx, 400*time.Millisecond) }); err != nil {
		return err
	}
	b.set(Figure{What: "a single POST is listed, p50", Unit: "%.0f ms", Goal: atMost(100), Note: fmt.Sprintf("from sending it to the list's answer; %d of them", b.lone.Count())}, ms(b.lone.Quantile(0.5)))
	b.set(Figure{What: "a single POST is listed, p99", Unit: "%.0f ms", Goal: atMost(250)}, ms(b.lone.Quantile(0.99)))
	trickle, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		_, err := load.Run(trickle, load.Config{URL: s.Write, Connections: 4, Batch: 1, Rate: 20, First: 50_000, Retries: 10}, source, nil, nil)
		ended <- err
	}()
	f.seen = &b.among
	before, begun := s.cpu(), time.Now()
	err := f.measure(ctx, 30, func() { sleep(ctx, 200*time.Millisecond) })
	cpu := (s.cpu() - before).Seconds() / time.Since(begun).Seconds()
	cancel()
	if e := <-ended; err == nil {
		err = e
	}
	b.set(Figure{What: "under 20 single POSTs a second, one is listed, p50", Unit: "%.0f ms", Note: fmt.Sprintf("%d of them", b.among.Count())}, ms(b.among.Quantile(0.5)))
	b.set(Figure{What: "under 20 single POSTs a second, one is listed, p99", Unit: "%.0f ms", Goal: atMost(1200)}, ms(b.among.Quantile(0.99)))
	b.add(Figure{What: "under 20 single POSTs a second, CPU with these reads", Unit: "%.1f %% of a core"}, 100*cpu)
	return err
}

// warmUp makes the first list of an installation. It takes a second longer, because it creates the cursor secret.
func warmUp(ctx context.Context, c *client.Conn) error {
	_, _, err := c.List(ctx, client.Query{Params: url.Values{}})
	return err
}

type freshness struct {
	source *workload.Source
	conn   *client.Conn
	next   int
	seen   *stats.Histogram
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

// awaitListed lists until the entry is there.
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

// idle measures the cost of standalone without requests, and under a small load without reads.
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
	b.add(Figure{What: "idle, CPU of standalone", Unit: "%.1f %% of a core", Goal: atMost(2)}, 100*(s.cpu()-before).Seconds()/b.Time.Seconds())
	before = s.cpu()
	if r, err = load.Run(ctx, load.Config{URL: s.Write, Connections: 4, Batch: 1, Rate: 20, Duration: 2 * b.Time, First: 100_000}, b.source(200_000), nil, nil); err != nil {
		return err
	}
	b.add(Figure{What: "20 single POSTs a second, CPU of standalone", Unit: "%.1f %% of a core", Goal: atMost(25)}, 100*(s.cpu()-before).Seconds()/r.Elapsed.Seconds())
	b.add(Figure{What: "20 single POSTs a second, p99", Unit: "%.1f ms"}, ms(r.Latency.P99))
	parts, err := s.Store.Numbers(ctx, `SELECT count() FROM system.parts WHERE active AND table = 'activity'`)
	if err != nil {
		return err
	}
	b.add(Figure{What: "active parts after it", Unit: "%.0f", Note: "bounded by merges"}, float64(parts[0]))
	return nil
}
