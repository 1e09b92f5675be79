// Command play reads ClickHouse as a heavy dashboard does: many panels over a long time range, refreshed often. It prints how long the
// panels took and how many failed, so that the load of readers can be measured beside a full ingest.
//
//	READER_PASSWORD=… go run ./play --clickhouse 127.0.0.1:8123 --for 1m
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"

	"github.com/activitylog/activitylog/deploy/grafana/paneltest"
)

// atOnce is how many queries a browser has under way at once over HTTP/1.1.
const atOnce = 6

type plan struct {
	folder, clickhouse, database string
	panels                       int
	window, every, length        time.Duration
}

func main() {
	var p plan
	flag.StringVar(&p.folder, "dashboards", "../dashboards", "folder with the dashboards")
	flag.StringVar(&p.clickhouse, "clickhouse", "127.0.0.1:8123", "address of ClickHouse's HTTP interface")
	flag.StringVar(&p.database, "database", "default", "database with the tables")
	flag.IntVar(&p.panels, "panels", 30, "number of panels")
	flag.DurationVar(&p.window, "window", 30*24*time.Hour, "time range of the dashboard")
	flag.DurationVar(&p.every, "every", 5*time.Second, "time between two refreshes")
	flag.DurationVar(&p.length, "for", time.Minute, "how long to play")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := p.run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func (p plan) run(ctx context.Context, out io.Writer) error {
	tables, err := paneltest.OpenTables(ctx, p.clickhouse, p.database, "reader", os.Getenv("READER_PASSWORD"))
	if err != nil {
		return err
	}
	defer tables.Close()
	chosen, err := p.choose()
	if err != nil {
		return err
	}
	play := &player{sources: paneltest.Sources{Tables: tables}, window: p.window}
	ctx, cancel := context.WithTimeout(ctx, p.length)
	defer cancel()
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for {
		began := time.Now()
		play.refresh(ctx, chosen)
		if ctx.Err() == nil {
			play.refreshes = append(play.refreshes, time.Since(began))
		}
		select {
		case <-ctx.Done():
			return play.report(out)
		case <-tick.C:
		}
	}
}

type choice struct {
	board *paneltest.Dashboard
	panel *paneltest.Panel
}

// choose takes the panels that ask ClickHouse, in turn, until there are enough.
func (p plan) choose() (chosen []choice, err error) {
	all, err := paneltest.Load(p.folder)
	if err != nil {
		return nil, err
	}
	for i := range all {
		for panel := range all[i].Drawn() {
			if panel.Datasource.Type == paneltest.ClickHouse {
				chosen = append(chosen, choice{&all[i], panel})
			}
		}
	}
	if len(chosen) == 0 || p.panels < 1 {
		return nil, fmt.Errorf("no panel to play: %d wanted, %d in %s", p.panels, len(chosen), p.folder)
	}
	for i := 0; len(chosen) < p.panels; i++ {
		chosen = append(chosen, chosen[i])
	}
	return chosen[:p.panels], nil
}

type player struct {
	sources   paneltest.Sources
	window    time.Duration
	refreshes []time.Duration

	mu     sync.Mutex
	times  []time.Duration
	failed int
	first  error
}

// refresh runs all panels, some of them at once. What the end of the run cuts off does not count.
func (p *player) refresh(ctx context.Context, all []choice) {
	now := time.Now()
	slots := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for _, c := range all {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			view := c.board.Open(now.Add(-p.window), now, nil)
			began := time.Now()
			_, err := p.sources.Panel(ctx, c.panel, view)
			if ctx.Err() == nil {
				p.note(c, time.Since(began), err)
			}
		})
	}
	running.Wait()
}

func (p *player) note(c choice, took time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.times = append(p.times, took)
	if err != nil && !paneltest.Empty(err) {
		if p.failed++; p.first == nil {
			p.first = fmt.Errorf("%s, %q: %w", c.board.Title, c.panel.Title, err)
		}
	}
}

func (p *player) report(out io.Writer) error {
	first := "none"
	if p.first != nil {
		first = p.first.Error()
	}
	_, err := fmt.Fprintf(out, "refreshes  %d, p50 %v, max %v\npanels     %d, p50 %v, p99 %v, max %v\nfailed     %d, the first: %s\n",
		len(p.refreshes), quantile(p.refreshes, 0.5), quantile(p.refreshes, 1),
		len(p.times), quantile(p.times, 0.5), quantile(p.times, 0.99), quantile(p.times, 1), p.failed, first)
	return err
}

func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)].Round(time.Millisecond)
}
