package collector

import (
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestConfig(t *testing.T) {
	c := Defaults()
	if err := c.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for name, change := range map[string]func(*Config){
		"topic": func(c *Config) { c.Topic = "" }, "body": func(c *Config) { c.MaxBodyBytes = -1 },
		"pending": func(c *Config) { c.MaxPendingBytes = 2 * c.MaxBodyBytes }, "rate": func(c *Config) { c.RateLimit = -1 },
		"keys": func(c *Config) { c.MaxKeys = -1 }, "ack": func(c *Config) { c.AckTimeout = 0 },
		"burst": func(c *Config) { c.RateBurst = -1 }, "clock": func(c *Config) { c.Now = nil },
	} {
		bad := c
		change(&bad)
		if bad.Validate() == nil {
			t.Errorf("%s: no fault was found", name)
		}
	}
	for _, b := range []struct {
		limit float64
		burst int
		want  int
	}{{0, 0, 1}, {0.5, 0, 1}, {20.9, 0, 20}, {20, 5, 5}} {
		c.RateLimit, c.RateBurst = b.limit, b.burst
		if got := c.burst(); got != b.want {
			t.Errorf("rate %v, burst %d: got a burst of %d, want %d", b.limit, b.burst, got, b.want)
		}
	}
}

var metricName = regexp.MustCompile(`^activity_collector_[a-z_]+_(total|seconds|bytes|entries|keys|refusing)$`)

func TestMetricNames(t *testing.T) {
	reg := prometheus.NewRegistry()
	New(Defaults(), nil, slog.New(slog.DiscardHandler), reg)
	families, err := reg.Gather()
	if err != nil || len(families) < 10 {
		t.Fatalf("%d families, %v", len(families), err)
	}
	for _, f := range families {
		if !metricName.MatchString(f.GetName()) || !strings.HasSuffix(f.GetHelp(), ".") {
			t.Errorf("%s: %s", f.GetName(), f.GetHelp())
		}
	}
}
