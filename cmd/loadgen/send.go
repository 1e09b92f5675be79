package main

import (
	"context"
	"fmt"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/journal"
	"github.com/activitylog/activitylog/cmd/loadgen/load"
	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

type sendCmd struct {
	URL         string        `help:"URL of the collector or of standalone." default:"http://127.0.0.1:50809"`
	Connections int           `help:"Number of connections." default:"8" short:"c"`
	Batch       int           `help:"Entries per request; 1: single objects." default:"1000" short:"b"`
	Rate        float64       `help:"Entries per second over all connections; 0: as fast as responses arrive. With a rate, latency counts from when a request was due."`
	Count       int           `help:"Entries to send; 0: until the duration has passed." short:"n"`
	Duration    time.Duration `help:"How long to send; 10s without a count." short:"d"`
	First       int           `help:"Number of the first entry, to continue an earlier run."`
	Encoding    string        `help:"Compression of request bodies." enum:"none,gzip,zstd" default:"none"`
	Keyed       bool          `help:"Give each entry an event_id and repeat unanswered requests."`
	Retries     int           `help:"Most retries of a request that was refused temporarily." default:"20"`
	Timeout     time.Duration `help:"Timeout of a request." default:"15s"`
	Seed        uint64        `help:"Seed of the workload." default:"42"`
	Journal     string        `help:"File for the acknowledged ids." type:"path"`
}

// Validate is called by kong.
func (c *sendCmd) Validate() error {
	if c.Count < 0 || c.First < 0 || c.First+c.Count > workload.Numbers {
		return fmt.Errorf("a workload has the entries 0 to %d", workload.Numbers-1)
	}
	return nil
}

func (c *sendCmd) Run(ctx context.Context, out *output) (err error) {
	if c.Count == 0 && c.Duration == 0 {
		c.Duration = 10 * time.Second
	}
	total := c.First + c.Count
	if c.Count == 0 {
		total = 10_000_000
	}
	source := workload.New(c.Seed, total, time.Now().UnixMilli())
	var notes *journal.Writer
	if c.Journal != "" {
		if notes, err = journal.Create(c.Journal, journal.Head{Seed: c.Seed, Total: total, Start: source.Start}); err != nil {
			return err
		}
		defer func() {
			if e := notes.Close(); err == nil {
				err = e
			}
		}()
	}
	cfg := load.Config{
		URL: c.URL, Connections: c.Connections, Batch: c.Batch, Rate: c.Rate, First: c.First, Count: c.Count, Duration: c.Duration,
		Encoding: c.Encoding, Keyed: c.Keyed, Timeout: c.Timeout, Retries: c.Retries,
	}
	r, err := load.Run(ctx, cfg, source, notes, func(r load.Result) {
		out.progress.Update("%d accepted, %.0f a second, p99 %v", r.Accepted, r.Rate, round(r.Latency.P99))
	})
	if err != nil {
		return err
	}
	return out.result(r, func() { printLoad(out, r) })
}

func printLoad(out *output, r load.Result) {
	out.say("accepted    %d entries in %v: %.0f a second, %.1f MB/s sent", r.Accepted, round(r.Elapsed), r.Rate, float64(r.Bytes)/1e6/r.Elapsed.Seconds())
	out.say("requests    %d, %d of them sent again; rejected %d entries, unanswered %d", r.Requests, r.Retried, r.Rejected, r.Unanswered)
	out.say("latency     p50 %v  p90 %v  p99 %v  p99.9 %v  max %v", round(r.Latency.P50), round(r.Latency.P90), round(r.Latency.P99), round(r.Latency.P999), round(r.Latency.Max))
}

// round keeps about three digits of a duration.
func round(d time.Duration) time.Duration {
	for unit := time.Second; unit > time.Microsecond; unit /= 1000 {
		if d >= unit {
			return d.Round(unit / 100)
		}
	}
	return d
}
