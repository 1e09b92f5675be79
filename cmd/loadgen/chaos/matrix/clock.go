package matrix

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
	"github.com/activitylog/activitylog/cmd/loadgen/client"
	"github.com/activitylog/activitylog/ingest/collector"
	"github.com/activitylog/activitylog/schema"
)

// skewed is a collector inside this process, whose clock can be set.
type skewed struct {
	url    string
	offset atomic.Int64 // ns
	server *http.Server
	all    sync.WaitGroup
	cancel context.CancelFunc
}

func startSkewed(ctx context.Context, brokers string, offset time.Duration) (*skewed, error) {
	s := &skewed{}
	s.offset.Store(int64(offset))
	cfg := collector.Config{Topic: topic, Now: func() time.Time { return time.Now().Add(time.Duration(s.offset.Load())) }}
	cfg.Defaults()
	transport := &kafka.Transport{MetadataTTL: time.Second, DialTimeout: time.Second}
	kc := &kafka.Client{Addr: kafka.TCP(strings.Split(brokers, ",")...), Transport: transport}
	c := collector.New(cfg, kc, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a collector: %w", err)
	}
	router := chi.NewRouter()
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			next.ServeHTTP(w, q.WithContext(schema.WithPrincipal(q.Context(), schema.Anonymous())))
		})
	})
	c.Routes(router)
	s.url, s.server = "http://"+l.Addr().String(), &http.Server{Handler: router, ReadHeaderTimeout: 5 * time.Second}
	live, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.all.Go(func() { _ = c.Run(live); transport.CloseIdleConnections() })
	s.all.Go(func() { _ = s.server.Serve(l) })
	for ; ; chaos.Sleep(ctx, 20*time.Millisecond) {
		err := c.Ready(ctx)
		if err == nil {
			return s, nil
		}
		if ctx.Err() != nil {
			s.close()
			return nil, fmt.Errorf("wait for a collector: %w", err)
		}
	}
}

func (s *skewed) close() {
	_ = s.server.Close()
	s.cancel()
	s.all.Wait()
}

// clocksJump writes over three collectors, the clocks of two of which jump by up to an hour, and reads through all pages of
// a platform meanwhile.
func clocksJump(ctx context.Context, t *trial) error {
	cfg := t.base()
	cfg.Deletes, cfg.Wipes = 0, 0
	var clocks []*skewed
	defer func() {
		for _, s := range clocks {
			s.close()
		}
	}()
	walks, pages, seen := 0, 0, 0
	err := t.play(ctx, cfg, chaos.Script{
		Begin: func(ctx context.Context, r *chaos.Run) error {
			for _, offset := range []time.Duration{-time.Hour, time.Hour} {
				s, err := startSkewed(ctx, r.Cluster.Kafka, offset)
				if err != nil {
					return err
				}
				clocks = append(clocks, s)
			}
			r.Writes = []string{clocks[0].url, r.Cluster.Write, clocks[1].url}
			return nil
		},
		Strike: func(ctx context.Context, r *chaos.Run, seed uint64) {
			f := r.NewInjector(seed)
			var reader sync.WaitGroup
			defer reader.Wait()
			reader.Go(func() {
				w := r.NewWorker(seed)
				defer w.Close()
				for ctx.Err() == nil {
					p, n := walk(context.WithoutCancel(ctx), w, "snapchat")
					walks, pages, seen = walks+1, pages+p, seen+n
				}
			})
			for ctx.Err() == nil {
				chaos.Sleep(ctx, time.Duration(f.Rand.Int64N(int64(time.Second))))
				clocks[f.Rand.IntN(2)].offset.Store(f.Rand.Int64N(int64(2*time.Hour)) - int64(time.Hour))
				r.Struck("clock jumped")
			}
		},
	})
	t.figure("walks through all pages", "%d, %d pages, %d entries", walks, pages, seen)
	return err
}

// walk reads all pages of a platform. What was acknowledged before must be on one of them, and nothing on two.
func walk(ctx context.Context, w *chaos.Worker, platform string) (pages, entries int) {
	since := w.Model.Now()
	position := w.Position()
	found := map[uint64]bool{}
	params := url.Values{"limit": {"500"}, "platform": {platform}}
	for {
		items, next, err := w.Read.List(ctx, client.Query{Params: params, Position: position})
		if err != nil {
			w.NoteRead(err)
			return pages, len(found)
		}
		pages++
		for _, it := range items {
			if found[it.ID] {
				w.Violation("id %d is on two pages", it.ID)
			}
			found[it.ID] = true
		}
		if next == "" {
			break
		}
		params.Set("cursor", next)
	}
	if missing := missing(w, platform, since, found); missing > 0 {
		w.Violation("%d entries are on no page", missing)
	}
	return pages, len(found)
}

func missing(w *chaos.Worker, platform string, since time.Duration, found map[uint64]bool) (n int) {
	for i, id := range w.Model.Acknowledged(since) {
		if found[id] {
			continue
		}
		if e, err := w.Source.Entry(i); err == nil && e.Platform == platform {
			n++
		}
	}
	return n
}
