package top

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/activitylog/activitylog/schema/api/client"
)

// Service is where the figures come from: the public interface of a query service, and /metrics of that and of other services.
type Service struct {
	URL     string
	Ask     *client.Client                                      // with a credential
	Granted func(*http.Response, error) (*http.Response, error) // the response with status 200, or why there is none
	Metrics []*client.Client                                    // services whose /metrics are added up
}

// sampleTime is how long the answers of one sample may take; maxBody bounds each of them.
const (
	sampleTime = 4 * time.Second
	maxBody    = 16 << 20
)

// sample is what the services said at one time.
type sample struct {
	at       time.Time
	health   *health   // nil: the service does not answer
	status   *status   // nil: see failed
	counters *counters // nil: no service shows its metrics, or see uncounted
	failed   error     // why there is no health or no status

	uncounted error // why there are no counters, if a service should show its metrics
}

// health is what /readyz answers.
type health struct {
	Status string  `json:"status"`
	Checks []check `json:"checks"`
}

type check struct {
	Name   string `json:"name"`
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

// status is what /api/v1/status answers.
type status struct {
	Tenant        string `json:"tenant"`
	Kafka         bool   `json:"kafka"`
	ClickHouse    bool   `json:"clickhouse"`
	BehindRecords *int64 `json:"behindRecords"`
	ReceivedToday *int64 `json:"receivedToday"`
}

// sample asks everything that is cheap. It never fails: it says what does not answer.
func (s *Service) sample(ctx context.Context) sample {
	ctx, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	var out sample
	var healthFailed, statusFailed error
	together(
		func() { out.health, healthFailed = s.health(ctx) },
		func() { out.status, statusFailed = s.status(ctx) },
		func() { out.counters, out.uncounted = s.counters(ctx) },
	)
	out.at, out.failed = time.Now(), cmp.Or(healthFailed, statusFailed)
	return out
}

// together runs functions beside each other. A panic of one becomes a panic of the caller, who can give the terminal back first.
func together(functions ...func()) {
	panics := make(chan string, len(functions))
	var running sync.WaitGroup
	for _, f := range functions {
		running.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panics <- fmt.Sprintf("%v\n%s", p, debug.Stack())
				}
			}()
			f()
		})
	}
	running.Wait()
	select {
	case p := <-panics:
		panic(p)
	default:
	}
}

func (s *Service) health(ctx context.Context) (*health, error) {
	res, err := s.Ask.Ready(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the query service: %w", err)
	}
	defer res.Body.Close()
	var h health
	if err := json.NewDecoder(io.LimitReader(res.Body, maxBody)).Decode(&h); err != nil || h.Status == "" {
		return &health{Status: "unknown"}, nil // a proxy keeps /readyz from the public
	}
	return &h, nil
}

func (s *Service) status(ctx context.Context) (*status, error) {
	var answer struct{ Data status }
	res, err := s.Granted(s.Ask.AuditStatus(ctx, &client.AuditStatusParams{})) //nolint:bodyclose // Granted closes what it refuses
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if err := decode(res, &answer); err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	return &answer.Data, nil
}

func decode(res *http.Response, into any) error {
	return json.NewDecoder(io.LimitReader(res.Body, maxBody)).Decode(into)
}

// Count is how many entries have a value.
type Count struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
}

// ranking is the values that most entries of a window have.
type ranking struct {
	group  string
	window time.Duration
	total  int64
	counts []Count
	err    error
	took   time.Duration
}

// rank counts the entries whose own time is in the window up to now.
func (s *Service) rank(ctx context.Context, group string, window time.Duration) ranking {
	ctx, cancel := context.WithTimeout(ctx, 5*sampleTime)
	defer cancel()
	began := time.Now()
	by := client.AuditStatsParamsGroupBy(group)
	start, end := began.UTC().Add(-window).Format(time.RFC3339Nano), began.UTC().Format(time.RFC3339)
	var answer struct {
		Data struct {
			Total  int64
			Groups []Count
		}
	}
	top := most
	p := &client.AuditStatsParams{GroupBy: &by, Top: &top, StartDate: &start, EndDate: &end}
	res, err := s.Granted(s.Ask.AuditStats(ctx, p)) //nolint:bodyclose // Granted closes what it refuses
	if err == nil {
		defer res.Body.Close()
		err = decode(res, &answer)
	}
	return ranking{group, window, answer.Data.Total, answer.Data.Groups, err, time.Since(began)}
}
