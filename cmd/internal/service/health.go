package service

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// readyTime is how long a part may take to answer whether it is ready.
const readyTime = 2 * time.Second

type check struct {
	name  string
	ready func(ctx context.Context) error
}

func (p *Process) checks() []check {
	var all []check
	for _, s := range p.stack {
		if s.Ready != nil {
			all = append(all, check{s.Name, s.Ready})
		}
	}
	return all
}

// Health says whether a process can do its work.
type Health struct {
	Status string    `json:"status"` // ready, waiting or draining
	Checks []Checked `json:"checks"`
}

// Checked says whether a part is ready.
type Checked struct {
	Name   string `json:"name"`
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

func (p *Process) livez(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"live"})
}

// health returns a function that asks all parts that have started by now.
func (p *Process) health() func(context.Context) Health {
	checks := p.checks()
	return func(ctx context.Context) Health {
		h := Health{Status: "ready", Checks: ask(ctx, checks)}
		if slices.ContainsFunc(h.Checks, func(c Checked) bool { return !c.Ready }) {
			h.Status = "waiting"
		}
		if p.draining.Load() {
			h.Status = "draining"
		}
		return h
	}
}

// readyz answers 200 if every part is ready, otherwise 503 with the parts that are not ready, and the reasons.
func readyz(health func(context.Context) Health) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h, status := health(r.Context()), http.StatusOK
		if h.Status != "ready" {
			status = http.StatusServiceUnavailable
		}
		writeJSON(w, status, h)
	}
}

// readiness exports what readyz says, by part. It asks the parts when it is scraped.
type readiness struct {
	health func(context.Context) Health
	ready  *prometheus.GaugeVec
}

func newReadiness(health func(context.Context) Health) *readiness {
	return &readiness{health, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "activity_service_ready", Help: "1 while a part of the process is ready, else 0; GET /readyz says why it is not.",
	}, []string{"part"})}
}

// Describe implements prometheus.Collector.
func (r *readiness) Describe(to chan<- *prometheus.Desc) { r.ready.Describe(to) }

// Collect asks all parts, which takes readyTime at most.
func (r *readiness) Collect(to chan<- prometheus.Metric) {
	for _, c := range r.health(context.Background()).Checks {
		value := 0.0
		if c.Ready {
			value = 1
		}
		r.ready.WithLabelValues(c.Name).Set(value)
	}
	r.ready.Collect(to)
}

// AwaitReady returns true as soon as every part is ready, and false if that takes more than 20 s or ctx ends.
func (p *Process) AwaitReady(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if !slices.ContainsFunc(ask(ctx, p.checks()), func(r Checked) bool { return !r.Ready }) {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

func ask(ctx context.Context, checks []check) []Checked {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	rows := make([]Checked, len(checks))
	var asked sync.WaitGroup
	for i, c := range checks {
		asked.Go(func() {
			rows[i] = Checked{Name: c.name, Ready: true}
			if err := c.ready(ctx); err != nil {
				rows[i].Ready, rows[i].Reason = false, Plain(err.Error())
			}
		})
	}
	asked.Wait()
	return rows
}

func (p *Process) version(w http.ResponseWriter, _ *http.Request) {
	version, commit := build()
	writeJSON(w, http.StatusOK, struct {
		Version string `json:"version"`
		Commit  string `json:"commit,omitempty"`
		Go      string `json:"go"`
	}{version, commit, runtime.Version()})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}
