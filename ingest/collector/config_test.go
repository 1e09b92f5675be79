package collector

import (
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestConfig(t *testing.T) {
	var c Config
	c.Defaults()
	if err := c.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for name, change := range map[string]func(*Config){
		"topic": func(c *Config) { c.Topic = "" }, "body": func(c *Config) { c.MaxBodyBytes = -1 },
		"pending": func(c *Config) { c.MaxPendingBytes = c.MaxBodyBytes }, "rate": func(c *Config) { c.RateLimit = -1 },
		"keys": func(c *Config) { c.MaxKeys = -1 }, "ack": func(c *Config) { c.AckTimeout = -1 },
	} {
		bad := c
		change(&bad)
		if bad.Validate() == nil {
			t.Errorf("%s: no fault was found", name)
		}
	}
}

var metricName = regexp.MustCompile(`^activity_collector_[a-z_]+_(total|seconds|bytes|entries|keys|refusing)$`)

func TestMetricNames(t *testing.T) {
	reg := prometheus.NewRegistry()
	var cfg Config
	cfg.Defaults()
	New(cfg, nil, slog.New(slog.DiscardHandler), reg)
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
