package matrix

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
	"github.com/activitylog/activitylog/cmd/loadgen/client"
	"github.com/activitylog/activitylog/cmd/loadgen/load"
	"github.com/activitylog/activitylog/cmd/loadgen/stats"
)

const (
	heavyCallers = 100
	heavyTable   = 1_500_000 // entries that there are to be searched
	heavyWrites  = 2000      // entries a second, 20 a request
	queryMemory  = 512 << 20 // of the query service
	engineMemory = 4 << 30   // of the engine, which is told 3 GiB
)

// heavyQueries measures writes alone, then beside a hundred callers that search and page deep.
func heavyQueries(ctx context.Context, t *trial) error {
	plan := chaos.Plan{Session: t.Session, Seed: t.Seed, Nodes: t.Nodes, Env: map[string][]string{chaos.Engine: {"ENGINE_MAX_MEMORY=3221225472"}}}
	cluster, err := chaos.NewCluster(ctx, t.Dir, t.Bin, plan)
	if err != nil {
		return err
	}
	defer cluster.Close()
	if err := cluster.Start(ctx, cluster.Names...); err != nil {
		return err
	}
	r := chaos.NewRun(t.Config.Config, cluster)
	fill, err := load.Run(ctx, load.Config{URL: cluster.Write, Connections: 4, Batch: 1000, Count: heavyTable, Retries: 20}, r.Source, nil, nil)
	if err != nil {
		return err
	}
	paced := load.Config{URL: cluster.Write, Connections: 8, Batch: 20, Rate: heavyWrites, First: heavyTable, Duration: t.Duration / 2, Retries: 20}
	alone, err := load.Run(ctx, paced, r.Source, nil, nil)
	if err != nil {
		return err
	}
	paced.First += int(alone.Accepted)
	var h heavy
	stop := h.start(ctx, cluster.Read)
	beside, err := load.Run(ctx, paced, r.Source, nil, nil)
	stop()
	if err != nil {
		return err
	}
	stored, err := awaitCount(ctx, r, fill.Accepted+alone.Accepted+beside.Accepted)
	if err != nil {
		return err
	}
	t.figure("stored", "%d of %d", stored, fill.Accepted+alone.Accepted+beside.Accepted)
	if stored < fill.Accepted+alone.Accepted+beside.Accepted || stored > fill.Accepted+alone.Accepted+beside.Accepted+fill.Unanswered+alone.Unanswered+beside.Unanswered {
		t.fail("stored %d, accepted %d", stored, fill.Accepted+alone.Accepted+beside.Accepted)
	}
	h.report(t)
	t.figure("p99 of writes alone", "%v", chaos.Round(alone.Latency.P99))
	t.within("p99 of writes beside them", beside.Latency.P99, 2*alone.Latency.P99)
	t.memory("memory of query", cluster.Process(chaos.Query).Usage().Peak, queryMemory)
	t.memory("memory of the engine", cluster.Process(chaos.Engine).Usage().Peak, engineMemory)
	t.memory("memory of the collector", cluster.Process(chaos.Collector).Usage().Peak, 1<<30)
	return ctx.Err()
}

// awaitCount waits until so many entries are stored, or for as long as anything may take.
func awaitCount(ctx context.Context, r *chaos.Run, want int64) (int64, error) {
	begun := time.Now()
	for {
		n, err := r.Cluster.Store.Numbers(ctx, "SELECT count() FROM activity")
		if err != nil {
			return 0, err
		}
		if n[0] >= want || time.Since(begun) > chaos.DrainTimeout {
			return n[0], nil
		}
		chaos.Sleep(ctx, 200*time.Millisecond)
	}
}

// heavy is a crowd of callers and what they were answered.
type heavy struct {
	good, busy, late, other, failed atomic.Int64
	took                            stats.Histogram
}

func (h *heavy) start(ctx context.Context, base string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	for i := range heavyCallers {
		all.Go(func() { h.call(ctx, base, i) })
	}
	return func() { cancel(); all.Wait() }
}

// Queries that no rollup answers: words in the text, which are in many of the entries, or in none.
var heavySearches = []url.Values{
	{"search": {"successfully"}, "limit": {"1000"}, "offset": {"9000"}},
	{"search": {"nowhere"}, "limit": {"1000"}},
	{"search": {"account"}, "order": {"asc"}, "limit": {"1000"}, "offset": {"5000"}},
	{"limit": {"1000"}, "offset": {"90000"}},
}

func (h *heavy) call(ctx context.Context, base string, i int) {
	conn, err := client.New(base, 30*time.Second)
	if err != nil {
		h.failed.Add(1)
		return
	}
	defer conn.Close()
	for n := i; ctx.Err() == nil; n++ {
		params := heavySearches[n%len(heavySearches)]
		path := client.Path + "?"
		if n%3 == 0 && params.Has("search") {
			path = client.Path + "/count?"
		}
		begun := time.Now()
		reply, err := conn.Do(context.WithoutCancel(ctx), &client.Request{Method: http.MethodGet, Path: path + params.Encode()})
		h.took.Observe(time.Since(begun))
		switch {
		case err != nil:
			h.failed.Add(1)
		case reply.Status == http.StatusOK:
			h.good.Add(1)
		case reply.Status == http.StatusServiceUnavailable && reply.RetryAfter > 0:
			h.busy.Add(1)
			chaos.Sleep(ctx, 100*time.Millisecond)
		case reply.Status == http.StatusGatewayTimeout:
			h.late.Add(1)
		default:
			h.other.Add(1)
		}
	}
}

func (h *heavy) report(t *trial) {
	t.figure("queries", "%d answered, %d 503, %d 504", h.good.Load(), h.busy.Load(), h.late.Load())
	t.figure("slowest answer to a query", "%v", chaos.Round(h.took.Max()))
	if h.other.Load() > 0 || h.failed.Load() > 0 {
		t.fail("%d queries were answered otherwise, %d not at all", h.other.Load(), h.failed.Load())
	}
	if h.good.Load() == 0 {
		t.fail("no query was answered")
	}
}
