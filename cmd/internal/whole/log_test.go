package whole_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/ingest/collector"
	"github.com/activitylog/activitylog/ingest/consumer"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/dialect/fleet"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
	"github.com/activitylog/activitylog/schema/logs"
)

// site is an installation whose Kafka and tables outlive its services, with writers that pause only briefly. Every entry has a text of its
// own, so that it is known whatever id it has.
type site struct {
	t      *testing.T
	opts   *clickhouse.Options
	conn   driver.Conn
	broker *testbed.Broker

	collector *collector.Collector
	consumer  *consumer.Consumer
	router    atomic.Pointer[http.Handler]
	stop      func()
	hold      chan struct{} // a consumer that is started waits until it is closed; nil: it does not

	writing sync.RWMutex // held for reading by each write
	mu      sync.Mutex   // guards what follows
	next    int
	acked   map[string]uint64 // ids
	last    string            // position
}

const siteWriters = 3

func newSite(t *testing.T) *site {
	t.Helper()
	opts, err := clickhouse.ParseDSN(testbed.ClickHouse(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tables.Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s := &site{t: t, opts: opts, conn: conn, broker: testbed.Kafka(t, 2), acked: map[string]uint64{}}
	s.broker.ForgetLog()
	s.start()
	t.Cleanup(func() { s.stop() })
	s.ready()
	done := make(chan struct{})
	var writers sync.WaitGroup
	for range siteWriters {
		writers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					s.write()
				}
			}
		})
	}
	t.Cleanup(func() { close(done); writers.Wait() })
	return s
}

// start runs the three services.
func (s *site) start() {
	log, client := slog.New(slog.NewTextHandler(s.t.Output(), nil)), s.broker.Client()
	in := collector.Defaults()
	in.Topic = s.broker.Topic()
	through := consumer.Defaults()
	through.Topic, through.Brokers, through.ClickHouse, through.SessionTimeout = s.broker.Topic(), []string{s.broker.Addr()}, s.opts, 2*time.Second
	out := backend.Defaults()
	out.Stored.Topic, out.Query.CursorSecret = s.broker.Topic(), "0123456789abcdef"
	s.collector = collector.New(in, client, log, prometheus.NewRegistry())
	s.consumer = consumer.New(through, client, log, prometheus.NewRegistry())
	store := backend.New(out, s.conn, client, log, prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	hold, run := s.hold, s.consumer.Run
	held := func(ctx context.Context) error {
		if hold != nil {
			select {
			case <-hold:
			case <-ctx.Done():
				return nil
			}
		}
		return run(ctx)
	}
	parts := []func(context.Context) error{s.collector.Run, held, store.Run}
	ended := make(chan error, len(parts))
	for _, run := range parts {
		go func() { ended <- run(ctx) }()
	}
	r := chi.NewRouter()
	s.collector.Routes(r)
	fleet.New(store, store, fleet.Config{}, log).Routes(r)
	handler := http.Handler(r)
	s.router.Store(&handler)
	s.stop = sync.OnceFunc(func() {
		cancel()
		for range parts {
			if err := <-ended; err != nil {
				s.t.Error(err)
			}
		}
	})
}

func (s *site) ready() {
	s.t.Helper()
	s.await("the services to be ready", func() error {
		return errors.Join(s.collector.Ready(s.t.Context()), s.consumer.Ready(s.t.Context()))
	})
}

func (s *site) await(what string, f func() error) {
	s.t.Helper()
	var err error
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	s.t.Fatalf("waited 40 s for %s: %v", what, err)
}

func (s *site) ask(method, target, body string, header ...string) *httptest.ResponseRecorder {
	principal := schema.Principal{Tenant: "acme", Subject: "w", Scopes: []schema.Scope{schema.ScopeIngest, schema.ScopeRead, schema.ScopeDelete}}
	ctx := schema.WithPrincipal(context.WithoutCancel(s.t.Context()), principal)
	r := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	(*s.router.Load()).ServeHTTP(rec, r)
	return rec
}

const sitePath = "/api/v1/activity_log"

// read asks for entries, and again while the answer is 503: the services notice a change of Kafka one after another.
func (s *site) read(query string, header ...string) (rec *httptest.ResponseRecorder) {
	s.t.Helper()
	s.await("an answer to a read", func() error {
		if rec = s.ask(http.MethodGet, sitePath+query, "", header...); rec.Code == http.StatusServiceUnavailable {
			return fmt.Errorf("%d %s", rec.Code, rec.Body)
		}
		return nil
	})
	return rec
}

// write posts an entry and notes it if it is acknowledged.
func (s *site) write() {
	s.writing.RLock()
	defer s.writing.RUnlock()
	s.mu.Lock()
	s.next++
	text, device := fmt.Sprint("entry-", s.next), s.next%7
	s.mu.Unlock()
	rec := s.ask(http.MethodPost, sitePath, fmt.Sprintf(`{"action_type":"login","platform":"web","serial":"d%d","details":{"n":%q}}`, device, text))
	if rec.Code != http.StatusOK {
		if rec.Code < http.StatusInternalServerError {
			s.t.Errorf("POST: %d %s", rec.Code, rec.Body)
		}
		time.Sleep(5 * time.Millisecond)
		return
	}
	var answer struct{ Data struct{ ID uint64 } }
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		s.t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked[text], s.last = answer.Data.ID, rec.Header().Get(schema.PositionHeader)
}

// grow waits until n more entries are acknowledged.
func (s *site) grow(n int) {
	s.t.Helper()
	s.mu.Lock()
	before := len(s.acked)
	s.mu.Unlock()
	s.await(fmt.Sprint(n, " entries to be acknowledged"), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.acked) < before+n {
			return fmt.Errorf("%d are, of %d", len(s.acked)-before, n)
		}
		return nil
	})
}

// quietly stops the writers, waits until everything that was acknowledged is stored and counted, and does f.
func (s *site) quietly(f func()) {
	s.t.Helper()
	s.writing.Lock()
	defer s.writing.Unlock()
	s.await("everything to be stored", func() error {
		stored, lost := s.stored(), 0
		for text := range s.acked {
			if len(stored[text]) == 0 {
				lost++
			}
		}
		if lost > 0 {
			return fmt.Errorf("%d of %d are not", lost, len(s.acked))
		}
		return s.agree("SELECT toInt64(count()) - (SELECT sum(n) FROM by_kind) FROM activity")
	})
	f()
}

// agree returns an error unless the query's number is 0.
func (s *site) agree(query string) error {
	var off int64
	if err := s.conn.QueryRow(s.t.Context(), query).Scan(&off); err != nil {
		return err
	}
	if off != 0 {
		return fmt.Errorf("off by %d", off)
	}
	return nil
}

// stored returns the ids under which each entry is stored.
func (s *site) stored() map[string][]uint64 {
	s.t.Helper()
	rows, err := s.conn.Query(s.t.Context(), "SELECT JSONExtractString(details, 'n'), id FROM activity")
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	stored := map[string][]uint64{}
	for rows.Next() {
		var text string
		var id uint64
		if err := rows.Scan(&text, &id); err != nil {
			s.t.Fatal(err)
		}
		stored[text] = append(stored[text], id)
	}
	return stored
}

// refused waits until collector and consumer refuse the log, with the reason, and POST does.
func (s *site) refused(parts ...string) {
	s.t.Helper()
	s.await("both to refuse", func() error {
		for who, err := range map[string]error{"collector": s.collector.Ready(s.t.Context()), "consumer": s.consumer.Ready(s.t.Context())} {
			for _, part := range append(parts, schemakafka.AdoptCommand) {
				if err == nil || !strings.Contains(err.Error(), part) {
					return fmt.Errorf("%s: got %w, want it to say %q", who, err, part)
				}
			}
		}
		return nil
	})
	rec := s.ask(http.MethodPost, sitePath, `{"action_type":"login","platform":"web","serial":"x"}`)
	if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" {
		s.t.Errorf("POST: %d %s, want 503", rec.Code, rec.Body)
	}
}

func (s *site) adopt() {
	s.t.Helper()
	pair := &logs.Pair{Client: s.broker.Client(), Topic: s.broker.Topic(), Conn: s.conn}
	plan, err := pair.Plan(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if err := pair.Adopt(s.t.Context(), plan, nil); err != nil {
		s.t.Fatal(err)
	}
}

// check checks that every acknowledged entry is stored once, under an id and at a place of its own, and is counted once. It
// returns how many are stored under another id than they were acknowledged with.
func (s *site) check() (renumbered int) {
	s.t.Helper()
	s.quietly(func() {
		stored := s.stored()
		for text, ids := range stored {
			if len(ids) > 1 {
				s.t.Errorf("%s is stored %d times", text, len(ids))
			}
			if id, ok := s.acked[text]; ok && ids[0] != id {
				renumbered++
			}
		}
		s.t.Logf("%d acknowledged, %d stored, %d under another id", len(s.acked), len(stored), renumbered)
		for what, query := range map[string]string{
			"entries, ids":       "SELECT toInt64(count() - uniqExact(id)) FROM activity",
			"entries, places":    "SELECT toInt64(count() - uniqExact(kpart, koff, kidx)) FROM activity",
			"entries, by_kind":   "SELECT toInt64(count()) - (SELECT sum(n) FROM by_kind) FROM activity",
			"entries, by_entity": "SELECT toInt64(count()) - (SELECT sum(n) FROM by_entity WHERE kind = 'device') FROM activity",
			"dead letters":       "SELECT toInt64(count()) FROM dead_letters",
		} {
			// Entries without an acknowledgement may still be on their way to the tables, and from there to the rollups.
			s.await(what+" to agree", func() error { return s.agree(query) })
		}
	})
	return renumbered
}

// page lists some entries and returns the next cursor.
func (s *site) page(cursor string) (next string) {
	s.t.Helper()
	query := "?limit=20"
	if cursor != "" {
		query += "&cursor=" + url.QueryEscape(cursor)
	}
	rec := s.read(query)
	if rec.Code != http.StatusOK || strings.Count(rec.Body.String(), "action_type") != 20 {
		s.t.Fatalf("GET %s: %d %s", query, rec.Code, rec.Body)
	}
	return rec.Header().Get(fleet.NextCursor)
}

func (s *site) truncate(names ...string) {
	s.t.Helper()
	for _, name := range names {
		if err := s.conn.Exec(s.t.Context(), "TRUNCATE TABLE "+name); err != nil {
			s.t.Fatal(err)
		}
	}
}

// away stops the services while f changes what they depend on.
func away(f func(s *site)) func(s *site) {
	return func(s *site) {
		s.stop()
		f(s)
		s.start()
	}
}

func anotherBroker(s *site) {
	s.broker.Replace()
	s.broker.CreateTopics()
}

// recreated deletes a topic and creates it again.
func recreated(topic func(string) string) func(s *site) {
	return func(s *site) {
		s.broker.DeleteTopic(topic(s.broker.Topic()))
		s.broker.CreateTopics()
	}
}

// TestAnotherLogUnderTheSameTables replaces or recreates Kafka and its topics while entries are written, in each way that can happen.
func TestAnotherLogUnderTheSameTables(t *testing.T) {
	entries := func(topic string) string { return topic }
	other := []string{"the tables hold entries of log", "Kafka has log"}
	for name, c := range map[string]struct {
		change  func(s *site)
		refused []string // why; empty: it is not
		earlier bool     // positions from before are of an earlier log
	}{
		"another broker":                                     {anotherBroker, other, true},
		"another broker, and services restarted":             {away(anotherBroker), other, true},
		"topic of entries recreated":                         {recreated(entries), []string{" was recreated"}, true},
		"topic of entries recreated, and services restarted": {away(recreated(entries)), []string{" was recreated"}, true},
		"topic of leases recreated":                          {recreated(schemakafka.IDs), []string{".ids was recreated"}, false},
		"topic of leases recreated, and services restarted":  {away(recreated(schemakafka.IDs)), []string{".ids was recreated"}, false},
		"topic of the log recreated":                         {func(s *site) { s.broker.ForgetLog() }, nil, false},
		"before logs had an identity":                        {away(func(s *site) { s.broker.ForgetLog(); s.truncate("logs") }), nil, false},
		"tables emptied":                                     {away(func(s *site) { s.truncate("logs", "activity", "by_entity", "by_kind") }), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.grow(300)
			var position, cursor string
			s.quietly(func() {
				position, cursor = s.last, s.page("")
				c.change(s)
			})
			if len(c.refused) > 0 {
				s.refused(c.refused...)
				s.adopt()
			}
			s.ready()
			s.grow(300)
			if n := s.check(); n > 0 {
				t.Errorf("%d entries are stored under another id than they were acknowledged with, want none", n)
			}
			rec := s.read("", schema.PositionHeader, position)
			want := http.StatusOK
			if c.earlier {
				want = http.StatusBadRequest
			}
			if rec.Code != want || c.earlier && !strings.Contains(rec.Body.String(), "earlier log") {
				t.Errorf("a read with a position from before: %d %.200s, want %d", rec.Code, rec.Body, want)
			}
			s.page(s.page(cursor))
			s.quietly(func() { position = s.last })
			if rec := s.read("", schema.PositionHeader, position); rec.Code != http.StatusOK {
				t.Errorf("a read with a position from now: %d %.200s", rec.Code, rec.Body)
			}
		})
	}
}

// beyondABackup returns a site with stored entries, and leases, that a backup of its Kafka does not have, and a function that restores the
// backup.
func beyondABackup(t *testing.T) (s *site, restore func()) {
	t.Helper()
	s = newSite(t)
	s.grow(200)
	s.quietly(func() { restore = s.broker.Save() })
	s.ready()
	s.grow(100)
	s.quietly(func() { away(func(*site) {})(s) }) // the next collector leases another block
	s.ready()
	s.grow(200)
	return s, restore
}

// Kafka loses leases whose ids are stored, and offsets, and would assign both again.
func TestKafkaRestoredFromABackup(t *testing.T) {
	s, restore := beyondABackup(t)
	s.quietly(restore)
	s.refused("would be assigned twice")
	s.adopt()
	s.ready()
	s.grow(300)
	if n := s.check(); n > 0 {
		t.Errorf("%d entries are stored under another id than they were acknowledged with, want none", n)
	}
}

// Erased entries stay erased when their Kafka returns after another one had replaced it.
func TestErasedEntriesOfAnEarlierLog(t *testing.T) {
	s := newSite(t)
	s.grow(100)
	var erased map[string]uint64
	var restore func()
	s.quietly(func() {
		if rec := s.ask(http.MethodDelete, sitePath+"/all", ""); rec.Code != http.StatusOK {
			t.Fatalf("DELETE: %d %s", rec.Code, rec.Body)
		}
		erased = maps.Clone(s.acked)
		clear(s.acked)
	})
	s.grow(50)
	s.quietly(func() { restore = s.broker.Save(); anotherBroker(s) })
	s.refused("the tables hold entries of log")
	s.adopt()
	s.ready()
	s.grow(50)
	s.quietly(func() { away(func(*site) { restore() })(s) })
	s.refused("the tables hold entries of log")
	s.adopt()
	s.ready()
	s.grow(50)
	s.quietly(func() {
		s.await("all entries but the erased ones", func() error {
			var stored []string
			var off int64
			const query = "SELECT groupArray(JSONExtractString(details, 'n')), toInt64(count()) - (SELECT sum(n) FROM by_kind) FROM activity"
			if err := s.conn.QueryRow(t.Context(), query).Scan(&stored, &off); err != nil {
				return err
			}
			missing := maps.Clone(s.acked)
			for _, text := range stored {
				if delete(missing, text); erased[text] != 0 {
					return fmt.Errorf("%s is back", text)
				}
			}
			if len(missing) > 0 || off != 0 {
				return fmt.Errorf("%d of %d are missing, and by_kind is off by %d", len(missing), len(s.acked), off)
			}
			return nil
		})
	})
}

// Another installation's Kafka comes with its own entries and deletes. Adopted under these tables, its deletes take its own entries
// before them, and none of those that the tables had, although these have such offsets, too.
func TestDeletesOfAnotherInstallation(t *testing.T) {
	s := newSite(t)
	s.grow(200)
	const deleted, kept = 40, 15 // of the other installation, in each partition
	s.quietly(func() {
		var own []*activitypb.Ref // their ids may be those of other entries there
		rows, err := s.conn.Query(t.Context(), "SELECT id, toUnixTimestamp64Milli(timestamp) FROM activity")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var r activitypb.Ref
			if err := rows.Scan(&r.Id, &r.Timestamp); err != nil {
				t.Fatal(err)
			}
			own = append(own, &r)
		}
		_ = rows.Close()
		away(func(*site) {
			anotherBroker(s)
			for partition := range 2 {
				s.fill(partition, deleted+kept-5)
				s.command(partition, &activitypb.Command{Before: deleted, Refs: own})
				s.command(partition, &activitypb.Command{Before: deleted, Match: &activitypb.Match{Platform: "web"}})
				s.command(partition, &activitypb.Command{Before: deleted, Counted: true})
				s.fill(partition, 5)
			}
		})(s)
	})
	s.refused("the tables hold entries of log")
	s.adopt()
	s.ready()
	s.await("the entries that the other installation kept", func() error {
		return s.agree(fmt.Sprintf("SELECT toInt64(count()) - %d FROM activity WHERE device = 'other'", 2*kept))
	})
	s.grow(50)
	s.check()
	if rec := s.ask(http.MethodDelete, sitePath+"/all", ""); rec.Code != http.StatusOK { // these tables' own deletes reach all of both
		t.Fatalf("DELETE: %d %s", rec.Code, rec.Body)
	}
	if err := s.agree("SELECT toInt64(count()) FROM activity WHERE device = 'other'"); err != nil {
		t.Error(err)
	}
}

// fill writes entries into Kafka as another installation's collector did.
func (s *site) fill(partition, n int) {
	s.t.Helper()
	for range n {
		s.next++
		s.produce(partition, fmt.Appendf(nil, `{"tenant":"acme","action":"x","platform":"web","device":"other","details":{"n":"entry-%d"}}`, s.next))
	}
}

// command writes a delete into Kafka as another installation's query service did.
func (s *site) command(partition int, c *activitypb.Command) {
	s.t.Helper()
	id := uuid.New()
	c.Id, c.Tenant = id[:], "acme"
	value, err := schema.AppendCommand(nil, c)
	if err != nil {
		s.t.Fatal(err)
	}
	s.produce(partition, value)
}

func (s *site) produce(partition int, value []byte) {
	s.t.Helper()
	s.await("a record to be acknowledged", func() error {
		res, err := s.broker.Client().Produce(s.t.Context(), &kafka.ProduceRequest{
			Topic: s.broker.Topic(), Partition: partition, RequiredAcks: kafka.RequireAll,
			Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Value: kafka.NewBytes(value)}),
		})
		if err == nil {
			err = res.Error
		}
		return err
	})
}

// Collectors that start before a consumer has looked do give ids away a second time. Their entries are stored, under other ids.
func TestEntriesWithIDsThatWereGivenAwayTwice(t *testing.T) {
	s, restore := beyondABackup(t)
	s.quietly(func() {
		s.hold = make(chan struct{})
		away(func(*site) { restore() })(s)
	})
	s.grow(300)
	close(s.hold)
	s.ready() // the leases are above what is stored again
	s.grow(300)
	before := s.check()
	if before == 0 {
		t.Error("no entry was stored under another id than it was acknowledged with, so that this test has no power")
	}
	s.grow(300)
	if n := s.check(); n != before {
		t.Errorf("ids are still assigned twice: %d entries were stored under another id, %d a while later", before, n)
	}
}

// A log that lost its newest records but no lease continues without an operator: ids stay unique, and a new epoch of offsets begins.
func TestALogThatLostItsEnd(t *testing.T) {
	s := newSite(t)
	s.grow(200)
	var restore func()
	s.quietly(func() { restore = s.broker.Save() })
	s.ready()
	s.grow(200)
	s.quietly(restore)
	s.ready()
	s.grow(300)
	if n := s.check(); n > 0 {
		t.Errorf("%d entries are stored under another id than they were acknowledged with, want none", n)
	}
}

// Tables that are restored from a backup lack the entries stored since, but the commits say that they are stored.
func TestTablesRestoredFromABackup(t *testing.T) {
	names := []string{"activity", "by_entity", "by_kind", "logs", "dead_letters"}
	s := newSite(t)
	s.grow(200)
	exec := func(query string) {
		t.Helper()
		if err := s.conn.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	s.quietly(func() {
		away(func(*site) {
			for _, name := range names {
				exec("CREATE TABLE backup_" + name + " AS " + name)
				exec("INSERT INTO backup_" + name + " SELECT * FROM " + name)
			}
		})(s)
	})
	s.ready()
	s.grow(300)
	s.quietly(func() {
		away(func(s *site) {
			for _, name := range names {
				s.truncate(name)
				exec("INSERT INTO " + name + " SELECT * FROM backup_" + name)
			}
		})(s)
	})
	s.ready()
	s.grow(200)
	if n := s.check(); n > 0 {
		t.Errorf("%d entries are stored under another id than they were acknowledged with, want none", n)
	}
}
