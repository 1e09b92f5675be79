package collector

import (
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/ingest/collector"
)

// TestDefaultsAreThoseOfTheCollector holds that a setting's default, which its flag must repeat, is that of the package.
func TestDefaultsAreThoseOfTheCollector(t *testing.T) {
	var s struct {
		Collector Settings     `embed:""`
		Keys      service.Keys `embed:""`
	}
	parser, err := kong.New(&s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(nil); err != nil {
		t.Fatal(err)
	}
	want := collector.Defaults()
	got := s.Collector.config(Needs{Topic: want.Topic, Keys: s.Keys})
	want.DrainTimeout = drainTimeout // what a process has
	want.Now, got.Now = nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-package +flags:\n%s", diff)
	}
	if err := s.Collector.Check(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}
