package service

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"
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

type health struct {
	Status string     `json:"status"` // ready, waiting or draining
	Checks []checkRow `json:"checks"`
}

type checkRow struct {
	Name   string `json:"name"`
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

func (p *Process) livez(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"live"})
}

// readyz answers 200 if every part is ready, else 503 with the parts that are not, and why.
func (p *Process) readyz(checks []check) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := health{Status: "ready", Checks: ask(r.Context(), checks)}
		status := http.StatusOK
		for _, row := range h.Checks {
			if !row.Ready {
				h.Status, status = "waiting", http.StatusServiceUnavailable
			}
		}
		if p.draining.Load() {
			h.Status, status = "draining", http.StatusServiceUnavailable
		}
		writeJSON(w, status, h)
	}
}

// AwaitReady returns true as soon as every part is ready, and false if that takes more than 20 s or ctx ends.
func (p *Process) AwaitReady(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if !slices.ContainsFunc(ask(ctx, p.checks()), func(r checkRow) bool { return !r.Ready }) {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

func ask(ctx context.Context, checks []check) []checkRow {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	rows := make([]checkRow, len(checks))
	var asked sync.WaitGroup
	for i, c := range checks {
		asked.Go(func() {
			rows[i] = checkRow{Name: c.name, Ready: true}
			if err := c.ready(ctx); err != nil {
				rows[i].Ready, rows[i].Reason = false, err.Error()
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
