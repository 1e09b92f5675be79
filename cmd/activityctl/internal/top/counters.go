package top

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/activitylog/activitylog/schema/api/client"
)

// counters are the sums of what services count from their start on.
type counters struct {
	accepted, stored   float64 // entries
	rejected           float64 // entries
	refused, failed    float64 // requests with a status of 4xx and of 5xx
	dead               float64 // letters
	collects, consumes bool    // a collector is among the services, and a consumer
	lagSeconds         float64
	partitions         []Partition
}

// Partition is what is not stored yet of a partition.
type Partition struct {
	Partition  int     `json:"partition"`
	LagRecords int64   `json:"lagRecords"`
	LagSeconds float64 `json:"lagSeconds"`
}

// counters adds up the metrics of all services that show them; nil if none does. If one does not answer, it returns why: a sum without
// that one would jump when it answers again.
func (s *Service) counters(ctx context.Context) (*counters, error) {
	answers, failed := make([]map[string]*dto.MetricFamily, len(s.Metrics)), make([]error, len(s.Metrics))
	asks := make([]func(), len(s.Metrics))
	for i, c := range s.Metrics {
		asks[i] = func() { answers[i], failed[i] = metrics(ctx, c) }
	}
	together(asks...)
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	var all *counters
	for _, families := range answers {
		if len(families) == 0 {
			continue
		}
		if all == nil {
			all = &counters{}
		}
		all.add(families)
	}
	return all, nil
}

// metrics are the families that a service shows; none if it shows its metrics to nobody. An error names the service.
func metrics(ctx context.Context, c *client.Client) (map[string]*dto.MetricFamily, error) {
	res, err := c.Metrics(ctx)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode >= 500:
		return nil, fmt.Errorf("%smetrics: status %d", c.Server, res.StatusCode)
	case res.StatusCode != http.StatusOK:
		return nil, nil
	}
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("%smetrics: %w", c.Server, err)
	}
	return families, nil
}

func (c *counters) add(families map[string]*dto.MetricFamily) {
	if f := families["activity_collector_entries_total"]; f != nil {
		c.collects = true
		c.accepted += sum(f, "result", "accepted")
		c.rejected += sum(f, "result", "rejected")
	}
	if f := families["activity_consumer_entries_total"]; f != nil {
		c.stored += sum(f, "outcome", "stored")
	}
	if f := families["activity_consumer_dead_letters_total"]; f != nil {
		c.consumes = true
		c.dead += sum(f, "", "")
	}
	if f := families["activity_http_request_seconds"]; f != nil {
		for _, m := range f.GetMetric() {
			if !strings.HasPrefix(label(m, "route"), "/api/") && label(m, "route") != "/filterActivity" && !strings.HasPrefix(label(m, "route"), "/actionlogs") {
				continue
			}
			n := float64(m.GetHistogram().GetSampleCount())
			switch status := label(m, "status"); {
			case status == "499": // the client left
			case strings.HasPrefix(status, "4"):
				c.refused += n
			case strings.HasPrefix(status, "5"):
				c.failed += n
			}
		}
	}
	c.lag(families["activity_consumer_lag_records"], families["activity_consumer_lag_seconds"])
}

// lag takes the partitions of a consumer. During a change of consumers two may show the same one: the later one counts.
func (c *counters) lag(records, seconds *dto.MetricFamily) {
	for _, m := range records.GetMetric() {
		n, err := strconv.Atoi(label(m, "partition"))
		if err != nil {
			continue
		}
		p := Partition{Partition: n, LagRecords: int64(value(m))}
		for _, s := range seconds.GetMetric() {
			if label(s, "partition") == label(m, "partition") {
				p.LagSeconds = value(s)
			}
		}
		at := sort.Search(len(c.partitions), func(i int) bool { return c.partitions[i].Partition >= n })
		if at < len(c.partitions) && c.partitions[at].Partition == n {
			c.partitions[at] = p
		} else {
			c.partitions = append(c.partitions[:at], append([]Partition{p}, c.partitions[at:]...)...)
		}
		c.lagSeconds = max(c.lagSeconds, p.LagSeconds)
	}
}

// sum adds up the series of a family whose label has the value; all of them without a label.
func sum(f *dto.MetricFamily, name, want string) (n float64) {
	for _, m := range f.GetMetric() {
		if name == "" || label(m, name) == want {
			n += value(m)
		}
	}
	return n
}

func value(m *dto.Metric) float64 {
	return m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}
