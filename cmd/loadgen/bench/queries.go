package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/client"
	"github.com/activitylog/activitylog/cmd/loadgen/stats"
	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

// repeats of each query, each time with other values where it has any.
const repeats = 20

// queries measures reads over HTTP on the table as ingest left it.
func (b *bench) queries(ctx context.Context, s *standalone) error {
	conn, err := client.New(s.Read, time.Minute)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := warmUp(ctx, conn); err != nil {
		return err
	}
	source := b.source(b.Sustained)
	list := func(params func(i int) url.Values) func(int) error {
		return func(i int) error {
			_, _, err := conn.List(ctx, client.Query{Params: params(i)})
			return err
		}
	}
	count := func(params func(i int) url.Values) func(int) error {
		return func(i int) error {
			_, err := conn.Count(ctx, client.Query{Params: params(i)})
			return err
		}
	}
	for _, q := range []struct {
		what, goal string
		run        func(i int) error
	}{
		{"newest 100", "≤ 15 ms", list(none)},
		{"newest 100 of a platform", "≤ 15 ms", list(platform)},
		{"newest 100 of an action", "≤ 15 ms", list(action)},
		{"newest 100 of a platform and an action", "≤ 15 ms", list(both)},
		{"newest 100 before some time", "≤ 15 ms", list(func(i int) url.Values { return before(source, i) })},
		{"newest 100 of a busy device", "≤ 25 ms", list(device(0))},
		{"newest 100 of a middling device", "≤ 110 ms", list(device(500))},
		{"newest 100 of a rare device", "≤ 110 ms", list(device(9000))},
		{"newest 100 of an account", "≤ 110 ms", list(account)},
		{"count of all", "≤ 8 ms", count(none)},
		{"count of a platform", "≤ 8 ms", count(platform)},
		{"count of an action", "≤ 8 ms", count(action)},
		{"count of a device", "≤ 8 ms", count(device(0))},
		{"count of an account", "≤ 8 ms", count(account)},
		{"a rare word", "≤ 60 ms", list(word)},
		{"a rare word within a day", "≤ 20 ms", list(func(i int) url.Values { return wordOfDay(source, i, b.Sustained) })},
		{"hourly counts by platform (rollup)", "≤ 12 ms", b.statement(ctx, s, `SELECT hour, platform, sum(n) FROM by_kind WHERE tenant = 'default' GROUP BY hour, platform`)},
		{"top 10 devices of a day (rollup)", "≤ 20 ms", b.statement(ctx, s, topDevices(source))},
	} {
		if err := b.time(q.what, q.goal, q.run); err != nil {
			return err
		}
	}
	if err := b.deepPages(ctx, conn); err != nil {
		return err
	}
	return b.afterDeletes(ctx, conn, count)
}

func (b *bench) time(what, goal string, run func(int) error) error {
	var h stats.Histogram
	for i := range repeats {
		begun := time.Now()
		if err := run(i); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		h.Observe(time.Since(begun))
	}
	b.add(what, goal, "", "p50 %v, max %v", round(h.Quantile(0.5)), round(h.Max()))
	return nil
}

func none(int) url.Values { return url.Values{} }

func platform(i int) url.Values {
	return url.Values{"platform": {workload.Platforms[i%len(workload.Platforms)]}}
}

func action(i int) url.Values {
	return url.Values{"action_type": {workload.Actions[i%len(workload.Actions)]}}
}

func both(i int) url.Values {
	return url.Values{"platform": platform(i)["platform"], "action_type": action(i)["action_type"]}
}

func before(s *workload.Source, i int) url.Values {
	return url.Values{"end": {strconv.FormatInt((s.Start+int64(i+1)*workload.Span/(repeats+2))/1000, 10)}}
}

// device gives devices from that rank on; rank 0 is the busiest.
func device(rank int) func(int) url.Values {
	return func(i int) url.Values { return url.Values{"serial": {workload.DeviceName(uint64(rank + i))}} }
}

func account(i int) url.Values { return url.Values{"username": {"user_" + strconv.Itoa(10_000+37*i)}} }

func word(i int) url.Values {
	return url.Values{"search": {fmt.Sprintf("%08d", workload.Number(7919*i))}}
}

func wordOfDay(s *workload.Source, i, total int) url.Values {
	at := 7919 * i % total
	v := url.Values{"search": {fmt.Sprintf("%08d", workload.Number(at))}}
	v.Set("start", strconv.FormatInt(s.Time(at)/1000-12*3600, 10))
	v.Set("end", strconv.FormatInt(s.Time(at)/1000+12*3600, 10))
	return v
}

func topDevices(s *workload.Source) string {
	day := time.UnixMilli(s.Start + workload.Span/2).UTC().Format(time.DateOnly)
	return `SELECT entity, sum(n) AS c FROM by_entity WHERE tenant = 'default' AND kind = 'device' AND hour >= '` + day + `' AND hour < toDateTime('` + day +
		`', 'UTC') + INTERVAL 1 DAY GROUP BY entity ORDER BY c DESC LIMIT 10`
}

func (b *bench) statement(ctx context.Context, s *standalone, sql string) func(int) error {
	return func(int) error { return s.Store.Query(ctx, sql, func([]string) error { return nil }) }
}

// deepPages walks by cursor, and compares the last pages with the first.
func (b *bench) deepPages(ctx context.Context, conn *client.Conn) error {
	const pages = 200
	var last stats.Histogram
	params := url.Values{"limit": {"1000"}}
	for i := range pages {
		begun := time.Now()
		_, next, err := conn.List(ctx, client.Query{Params: params})
		if err != nil {
			return fmt.Errorf("page %d: %w", i, err)
		}
		if next == "" {
			return nil // a small table has no such depth
		}
		params.Set("cursor", next)
		params.Set("limit", "1000")
		if i >= pages-repeats {
			params.Set("limit", "100")
		}
		if i > pages-repeats {
			last.Observe(time.Since(begun))
		}
	}
	b.add("a page of 100, 180,000 entries deep by cursor", "≤ 1.5 × the first", "", "p50 %v, max %v", round(last.Quantile(0.5)), round(last.Max()))
	return nil
}

// afterDeletes measures the counts a second after some entries were deleted.
func (b *bench) afterDeletes(ctx context.Context, conn *client.Conn, count func(func(int) url.Values) func(int) error) error {
	items, _, err := conn.List(ctx, client.Query{Params: url.Values{"limit": {"10"}}})
	if err != nil {
		return err
	}
	var h stats.Histogram
	for _, it := range items {
		begun := time.Now()
		reply, err := conn.Delete(ctx, it.ID)
		if err != nil {
			return fmt.Errorf("delete %d: %w", it.ID, err)
		}
		if reply.Status != http.StatusOK {
			return fmt.Errorf("delete %d: HTTP %d %.200s", it.ID, reply.Status, reply.Body)
		}
		h.Observe(time.Since(begun))
	}
	b.add("delete of one entry", "", "until it is gone", "p50 %v, max %v", round(h.Quantile(0.5)), round(h.Max()))
	sleep(ctx, time.Second)
	if err := b.time("count of a platform, a second after deletes", "≤ 8 ms", count(platform)); err != nil {
		return err
	}
	return b.time("newest 100, a second after deletes", "≤ 15 ms", func(int) error {
		_, _, err := conn.List(ctx, client.Query{Params: url.Values{}})
		return err
	})
}
