package publish

import (
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

var metricName = regexp.MustCompile(`^activity_collector_[a-z_]+_(total|seconds|bytes|entries|keys|refusing)$`)

func TestMetricNames(t *testing.T) {
	reg := prometheus.NewRegistry()
	newMetrics(reg).refusingOf(0).Set(1)
	families, err := reg.Gather()
	if err != nil || len(families) < 9 {
		t.Fatalf("%d families, %v", len(families), err)
	}
	for _, f := range families {
		if !metricName.MatchString(f.GetName()) || !strings.HasSuffix(f.GetHelp(), ".") {
			t.Errorf("%s: %s", f.GetName(), f.GetHelp())
		}
	}
}
