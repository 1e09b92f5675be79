package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/client"
	"github.com/activitylog/activitylog/cmd/loadgen/stats"
	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

// repeats is how often each query runs, with other values each time if it has any.
const repeats = 20

// queryUnit is the unit of the time of a query.
const queryUnit = "%.1f ms"

// query is a query and its form for the peer; nil if the peer has none.
type query struct {
	what  string
	goal  float64 // ms
	run   func(i int) error
	peers func(i int) error
}

// reader queries our services and the peer.
type reader struct {
	*bench
	ctx  context.Context //nolint:containedctx // a reader lives for one part
	conn *client.Conn
	rows int
}

func (r *reader) list(what string, goal float64, params func(i int) url.Values) query {
	q := query{what: what, goal: goal, run: func(i int) error {
		_, _, err := r.conn.List(r.ctx, client.Query{Params: params(i)})
		return err
	}}
	if r.peer != nil {
		q.peers = func(i int) error { return r.peer.list(r.ctx, params(i)) }
	}
	return q
}

func (r *reader) count(what string, params func(i int) url.Values) query {
	q := query{what: what, goal: 8, run: func(i int) error {
		_, err := r.conn.Count(r.ctx, client.Query{Params: params(i)})
		return err
	}}
	if r.peer != nil {
		q.peers = func(i int) error {
			_, err := r.peer.count(r.ctx, params(i))
			return err
		}
	}
	return q
}

// sql adds a query that the dialect cannot express; logsQL is its form for the peer.
func (r *reader) sql(s *standalone, what string, goal float64, sql, logsQL string, params url.Values) query {
	q := query{what: what, goal: goal, run: func(int) error {
		return s.Store.Query(r.ctx, sql, func([]string) error { return nil })
	}}
	if r.peer != nil && logsQL != "" {
		q.peers = func(int) error { return r.peer.stats(r.ctx, logsQL, params) }
	}
	return q
}

// queries measures reads over HTTP on the table that ingest has left, with the given number of rows.
func (b *bench) queries(ctx context.Context, s *standalone, rows int) error {
	conn, err := client.New(s.Read, time.Minute)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := warmUp(ctx, conn); err != nil {
		return err
	}
	r := &reader{bench: b, ctx: ctx, conn: conn, rows: rows}
	source := b.source(rows)
	for _, q := range append(r.lists(source), r.rollups(s, source)...) {
		if err := r.time(q); err != nil {
			return err
		}
	}
	if err := b.deepPages(ctx, conn); err != nil {
		return err
	}
	if err := r.afterDeletes(); err != nil {
		return err
	}
	return r.requestIDs(s)
}

func (r *reader) lists(source *workload.Source) []query {
	return append([]query{
		r.list("newest 100", 15, none),
		r.list("newest 100 of a platform", 15, platform),
		r.list("newest 100 of an action", 15, action),
		r.list("newest 100 of a platform and an action", 15, both),
		r.list("newest 100 before a given time", 15, func(i int) url.Values { return before(source, i) }),
		r.list("newest 100 of a busy device", 25, device(0)),
		r.list("newest 100 of an average device", 110, device(500)),
		r.list("newest 100 of a rare device", 110, device(9000)),
		r.list("newest 100 of an account", 110, account),
		r.list("a rare word", 60, word(r.rows)),
		r.list("a rare word within a day", 20, func(i int) url.Values { return wordOfDay(source, i, r.rows) }),
	}, r.counts("")...)
}

func (r *reader) counts(when string) []query {
	return []query{
		r.count("count of all"+when, none),
		r.count("count of a platform"+when, platform),
		r.count("count of an action"+when, action),
		r.count("count of a device"+when, device(0)),
		r.count("count of an account"+when, account),
	}
}

func (r *reader) rollups(s *standalone, source *workload.Source) []query {
	day := time.UnixMilli(source.Start + workload.Span/2).UTC().Truncate(24 * time.Hour)
	ofDay := url.Values{"start": {strconv.FormatInt(day.Unix(), 10)}, "end": {strconv.FormatInt(day.Add(24*time.Hour).Unix()-1, 10)}}
	return []query{
		r.sql(s, "hourly counts by platform", 12, `SELECT hour, platform, sum(n) FROM by_kind WHERE tenant = 'default' GROUP BY hour, platform`,
			`* | stats by (_time:1h, platform) count() n`, nil),
		r.sql(s, "top 10 devices of a day", 20, topDevices(day), `* | stats by (serial) count() n | sort by (n desc) limit 10`, ofDay),
	}
}

func (r *reader) time(q query) error {
	ours, err := timed(q.what, q.run)
	if err != nil {
		return err
	}
	r.add(Figure{What: q.what, Unit: queryUnit, Goal: atMost(q.goal), Note: fmt.Sprintf("p50 of %d; slowest %.1f ms", repeats, ms(ours.Max()))}, ms(ours.Quantile(0.5)))
	if q.peers == nil {
		return nil
	}
	theirs, err := timed(q.what, q.peers)
	if err != nil {
		return err
	}
	r.addPeer(q.what, queryUnit, ms(theirs.Quantile(0.5)))
	return nil
}

func timed(what string, run func(int) error) (*stats.Histogram, error) {
	var h stats.Histogram
	for i := range repeats {
		begun := time.Now()
		if err := run(i); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		h.Observe(time.Since(begun))
	}
	return &h, nil
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

// device filters by devices from the given rank on; rank 0 is the busiest.
func device(rank int) func(int) url.Values {
	return func(i int) url.Values { return url.Values{"serial": {workload.DeviceName(uint64(rank + i))}} }
}

func account(i int) url.Values { return url.Values{"username": {"user_" + strconv.Itoa(10_000+37*i)}} }

func word(rows int) func(i int) url.Values {
	return func(i int) url.Values {
		return url.Values{"search": {fmt.Sprintf("%08d", workload.Number(7919*i%rows))}}
	}
}

func wordOfDay(s *workload.Source, i, total int) url.Values {
	at := 7919 * i % total
	v := url.Values{"search": {fmt.Sprintf("%08d", workload.Number(at))}}
	v.Set("start", strconv.FormatInt(s.Time(at)/1000-12*3600, 10))
	v.Set("end", strconv.FormatInt(s.Time(at)/1000+12*3600, 10))
	return v
}

func topDevices(day time.Time) string {
	from := day.Format(time.DateOnly)
	return `SELECT entity, sum(n) AS c FROM by_entity WHERE tenant = 'default' AND kind = 'device' AND hour >= '` + from + `' AND hour < toDateTime('` + from +
		`', 'UTC') + INTERVAL 1 DAY GROUP BY entity ORDER BY c DESC LIMIT 10`
}

// deepPages reads pages by cursor, and compares the last with the first.
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
			return nil // the table is too small
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
	b.add(Figure{What: "a page of 100, 180,000 entries deep by cursor", Unit: queryUnit, Goal: atMost(1.5 * b.median(b.part, "newest 100")), Note: "1.5 × the first page"}, ms(last.Quantile(0.5)))
	return nil
}

// afterDeletes measures counts one second after deletes of some entries.
func (r *reader) afterDeletes() error {
	items, _, err := r.conn.List(r.ctx, client.Query{Params: url.Values{"limit": {"10"}}})
	if err != nil {
		return err
	}
	var h stats.Histogram
	for _, it := range items {
		begun := time.Now()
		reply, err := r.conn.Delete(r.ctx, it.ID)
		if err != nil {
			return fmt.Errorf("delete %d: %w", it.ID, err)
		}
		if reply.Status != http.StatusOK {
			return fmt.Errorf("delete %d: HTTP %d %.200s", it.ID, reply.Status, reply.Body)
		}
		h.Observe(time.Since(begun))
	}
	r.add(Figure{What: "delete of one entry", Unit: queryUnit, Note: "until it is gone"}, ms(h.Quantile(0.5)))
	sleep(r.ctx, time.Second)
	const when = ", a second after deletes"
	for _, q := range append(r.counts(when), r.list("newest 100"+when, 15, none)) {
		q.peers = nil // the peer deletes nothing
		if err := r.time(q); err != nil {
			return err
		}
	}
	return nil
}

// requestIDs finds entries by their request id. The fleet dialect and so the workload have no such field, so it stores copies of some
// entries with one. It must be the last to use the table, because the rollups do not have the copies.
func (r *reader) requestIDs(s *standalone) error {
	const copies = 100_000
	insert := fmt.Sprintf(`INSERT INTO activity SELECT * REPLACE (concat('req-', toString(cityHash64(id))) AS request_id) FROM activity
		WHERE tenant = 'default' ORDER BY tenant, timestamp DESC LIMIT %d`, copies)
	if err := s.Store.Exec(r.ctx, insert, nil); err != nil {
		return fmt.Errorf("store entries with a request id: %w", err)
	}
	var ids []string
	if err := s.Store.Query(r.ctx, fmt.Sprintf(`SELECT request_id FROM activity WHERE request_id != '' ORDER BY cityHash64(id) LIMIT %d`, repeats), func(f []string) error {
		ids = append(ids, f[0])
		return nil
	}); err != nil {
		return err
	}
	if len(ids) == 0 {
		return errors.New("no entry has a request id")
	}
	h, err := timed("a request id", func(i int) error {
		found := 0
		err := s.Store.Query(r.ctx, `SELECT id, timestamp, action, device, detail FROM activity WHERE tenant = 'default' AND request_id = '`+ids[i%len(ids)]+
			`' ORDER BY timestamp DESC LIMIT 100`, func([]string) error { found++; return nil })
		if err == nil && found == 0 {
			err = errors.New("was not found")
		}
		return err
	})
	if err != nil {
		return err
	}
	note := fmt.Sprintf("by SQL; %d copies of entries with one", copies)
	r.add(Figure{What: "a request id", Unit: queryUnit, Goal: atMost(20), Note: note}, ms(h.Quantile(0.5)))
	return nil
}
