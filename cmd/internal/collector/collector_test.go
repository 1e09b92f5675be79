package collector

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/activitylog/activitylog/cmd/internal/idempotency"
	"github.com/activitylog/activitylog/ingest/collector"
)

// A process without settings runs the collector with the defaults of its package.
func TestDefaultsAreThoseOfTheCollector(t *testing.T) {
	var c Config
	var keys idempotency.Config
	c.Defaults()
	keys.Defaults()
	want := collector.Defaults()
	got := c.config(Needs{Topic: want.Topic, Keys: keys})
	want.DrainTimeout = drainTimeout // what a process has
	want.Now, got.Now = nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-package +process:\n%s", diff)
	}
	if err := c.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}
