package paneltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

const (
	folder = "../dashboards"
	recent = 8 * time.Second // the time range of panels of Prometheus
)

func dashboards(t *testing.T) []Dashboard {
	t.Helper()
	all, err := Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// idle are the queries of Prometheus, by panel and id, that have nothing to show while nothing is wrong.
var idle = map[string]string{
	"Server errors by route A": "no request ends with a 5xx",
	"Age of the API keys A":    "AUTH is none",
}

// queries are the dashboard's panels with one query each: a panel that draws one of its queries may lack another.
func queries(d *Dashboard) iter.Seq2[string, *Panel] {
	return func(yield func(string, *Panel) bool) {
		for p := range d.Drawn() {
			for one := range p.Each() {
				if !yield(p.Title+" "+one.Targets[0].RefID, one) {
					return
				}
			}
		}
	}
}

// internal are metrics that no panel shows, and why.
var internal = map[string]string{}

// One start serves all tests that need running services.
func TestDashboards(t *testing.T) {
	r := start(t)
	all := dashboards(t)
	t.Run("tables", func(t *testing.T) { r.tables(t, all) })
	t.Run("variables", func(t *testing.T) { r.variables(t, all) })
	t.Run("figures", func(t *testing.T) { r.figures(t, all) })
	t.Run("metrics", func(t *testing.T) { r.metrics(t, all) })
	t.Run("broken", func(t *testing.T) { r.broken(t, all) })
}

// views are how the panels of ClickHouse are opened: as saved, with every filter, for an hour, and with filters that match nothing.
func (r *rig) views(t *testing.T, d *Dashboard) map[string]View {
	t.Helper()
	from, to, err := d.Window(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	if d.File == "one" {
		known["device"] = "SN-1"
	}
	odd := map[string]string{"tenant": "default", "device": oddDevice, "account": oddAccount, "search": "ITEM #"}
	none := map[string]string{"tenant": `'nobody\`, "platform": "a'", "action": `b\`, "device": "c", "account": "d", "search": "e"}
	all := map[string]View{"as saved": d.Open(from, to, known), "filtered": d.Open(from, to, odd), "nothing": d.Open(from, to, none)}
	if d.File == "fleet" {
		all["an hour"] = d.Open(to.Add(-time.Hour), to, known)
	}
	return all
}

func (r *rig) tables(t *testing.T, all []Dashboard) {
	for i := range all {
		d := &all[i]
		for name, v := range r.views(t, d) {
			for query, p := range queries(d) {
				if p.Datasource.Type != ClickHouse {
					continue
				}
				frames, err := r.sources.Panel(t.Context(), p, v)
				if Empty(err) && (name == "nothing" || mayBeEmpty(p, name)) {
					continue
				}
				if err != nil {
					t.Errorf("%s, %s, %q: %v", d.Title, name, query, err)
				} else if len(frames) == 0 {
					t.Errorf("%s, %s, %q: no frame", d.Title, name, query)
				}
			}
		}
	}
}

// mayBeEmpty are panels that show what did not happen in some views.
func mayBeEmpty(p *Panel, view string) bool {
	switch {
	case p.Title == "Cleanups by day": // nothing is old enough
		return true
	case view == "an hour" && p.Type == "heatmap": // a day at least
		return true
	}
	return false
}

// The variables offer everything that there is, and a value that stands for all.
func (r *rig) variables(t *testing.T, all []Dashboard) {
	want := map[string]int{"tenant": 2, "platform": 6, "action": 13}
	for i := range all {
		d := &all[i]
		v := r.views(t, d)["as saved"]
		for _, x := range d.Templating.List {
			if x.Type != "query" || x.Datasource.Type != ClickHouse {
				continue
			}
			values, err := r.sources.Options(t.Context(), x, v)
			if err != nil || len(values) < want[x.Name] || values[0] != "" {
				t.Errorf("%s, variable %s: got %q %v, want \"\" and %d others or more", d.Title, x.Name, values, err, want[x.Name]-1)
			}
		}
	}
}

// The numbers are exact, from hourly counts and from the entries, and for names that need quoting.
func (r *rig) figures(t *testing.T, all []Dashboard) {
	fleet := &all[slices.IndexFunc(all, func(d Dashboard) bool { return d.File == "fleet" })]
	now := time.Now()
	from, to := now.Add(-(days+1)*24*time.Hour), now.Add(time.Hour)
	for _, tt := range []struct {
		name, panel string
		set         map[string]string
		want        int
	}{
		{"hourly counts", "Entries", nil, entries},
		{"entries", "Entries", map[string]string{"search": "item #"}, entries},
		{"odd names", "Entries", map[string]string{"device": oddDevice, "account": oddAccount}, r.odd},
		{"another tenant", "Entries", map[string]string{"tenant": "another"}, 0},
	} {
		p := panelOf(t, fleet, tt.panel)
		frames, err := r.sources.Panel(t.Context(), p, fleet.Open(from, to, tt.set))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got, _ := frames[0].Fields[0].ConcreteAt(0)
		if fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: %q shows %v, want %d", tt.name, tt.panel, got, tt.want)
		}
	}
}

func panelOf(t *testing.T, d *Dashboard, title string) *Panel {
	t.Helper()
	for p := range d.Drawn() {
		if p.Title == title {
			return p
		}
	}
	t.Fatalf("%s has no panel %q", d.Title, title)
	return nil
}

// Every metric of a panel, an alert and the runbook is exported, and every exported metric is on a panel.
func (r *rig) metrics(t *testing.T, all []Dashboard) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go r.busy(ctx)
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Second) {
		faults := r.drawMetrics(t, all)
		if len(faults) == 0 {
			break
		}
		if time.Now().After(end) { // after some scrapes of a machine that may be busy
			t.Fatal(errors.Join(faults...))
		}
	}
	exported, shown := r.exported(t), map[string]bool{}
	for _, d := range all {
		for p := range d.Drawn() {
			for _, target := range p.Targets {
				for _, name := range metricsIn(exported, target.Expr) {
					if shown[name] = true; !exported[name] {
						t.Errorf("%s, %q: nothing exports %s", d.Title, p.Title, name)
					}
				}
			}
		}
	}
	for _, path := range []string{"deploy/prometheus/alerts.yml", "deploy/prometheus/alerts_test.yml", "deploy/README.md"} {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range metricsIn(exported, string(text)) {
			if !exported[name] {
				t.Errorf("%s: nothing exports %s", path, name)
			}
		}
	}
	for name := range exported {
		if !shown[name] && internal[name] == "" {
			t.Errorf("no panel shows %s; add one, or list it as internal", name)
		}
	}
	for name := range internal {
		if !exported[name] || shown[name] {
			t.Errorf("%s is listed as internal: exported %v, shown %v", name, exported[name], shown[name])
		}
	}
}

// drawMetrics returns why queries of Prometheus cannot be drawn now.
func (r *rig) drawMetrics(t *testing.T, all []Dashboard) (faults []error) {
	t.Helper()
	now := time.Now()
	for i := range all {
		d := &all[i]
		v := d.Open(now.Add(-recent), now, nil)
		for query, p := range queries(d) {
			if p.Datasource.Type != Prometheus {
				continue
			}
			if _, err := r.sources.Panel(t.Context(), p, v); err != nil && (!Empty(err) || idle[query] == "") {
				faults = append(faults, fmt.Errorf("%s, %q: %w", d.Title, query, err))
			}
		}
	}
	return faults
}

var metricName = regexp.MustCompile(`activity_[a-z]+_[a-z_]+`)

// metricsIn are the names of metrics in a text, without the suffixes of histograms.
func metricsIn(exported map[string]bool, text string) (all []string) {
	for _, name := range metricName.FindAllString(text, -1) {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(name, suffix); ok && exported[base] {
				name = base
			}
		}
		all = append(all, name)
	}
	return all
}

// A query must fail if it names a column, a view, a macro or a metric that does not exist. Otherwise these tests could not fail.
func (r *rig) broken(t *testing.T, all []Dashboard) {
	tried := map[string]int{}
	for i := range all {
		d := &all[i]
		v := r.views(t, d)["as saved"]
		now := time.Now()
		lately := d.Open(now.Add(-recent), now, nil)
		for query, p := range queries(d) {
			for what, broken := range breakages(t, p) {
				view := v
				if p.Datasource.Type == Prometheus {
					view = lately
				}
				tried[what]++
				if _, err := r.sources.Panel(t.Context(), broken, view); err == nil && !tolerant(p) {
					t.Errorf("%s, %q, %s broken: no error", d.Title, query, what)
				}
			}
		}
	}
	for _, what := range []string{"view", "column", "macro", "metric"} {
		if tried[what] == 0 {
			t.Errorf("no %s was broken", what)
		}
	}
}

// tolerant reports whether the panel's query says what to show if a metric is missing.
func tolerant(p *Panel) bool { return strings.HasSuffix(p.Targets[0].Expr, "or vector(0)") }

// breakages are copies of p, which has one query, with one name in it changed.
func breakages(t *testing.T, p *Panel) map[string]*Panel {
	t.Helper()
	all := map[string]*Panel{}
	for what, re := range map[string]*regexp.Regexp{
		"view":   regexp.MustCompile(`(FROM )(entries|hourly|daily_by_device|daily_by_account|ingest_lag|retention_now|erasures_by_day|cleanups_by_day)\b`),
		"column": regexp.MustCompile(`(\b)(timestamp|hour|day|visible_from)\b`),
		"macro":  regexp.MustCompile(`(\$__)(timeFilter_ms|timeInterval|toTime|dateFilter)\b`),
		"metric": regexp.MustCompile(`(\b)(activity_\w+|ALERTS|up)\b`),
	} {
		b := *p
		b.Targets = slices.Clone(p.Targets)
		first := &b.Targets[0]
		first.RawSQL, first.Expr = re.ReplaceAllString(first.RawSQL, "${1}x_$2"), re.ReplaceAllString(first.Expr, "${1}x_$2")
		if first.RawSQL != p.Targets[0].RawSQL || first.Expr != p.Targets[0].Expr {
			all[what] = &b
		}
	}
	return all
}

// A dashboard that names another column in an override, another variable or an unknown panel fails as well.
func TestBrokenFrames(t *testing.T) {
	p := Panel{Type: "table"}
	if err := json.Unmarshal([]byte(`[{"matcher":{"id":"byName","options":"gone"}}]`), &p.FieldConfig.Overrides); err != nil {
		t.Fatal(err)
	}
	frame := sampleFrame()
	if err := Drawable(&p, frame); err == nil || !strings.Contains(err.Error(), `"gone"`) {
		t.Errorf("an override of a missing column: got %v", err)
	}
	for _, kind := range []string{"stat", "timeseries", "heatmap", "state-timeline", "piechart"} {
		if err := Drawable(&Panel{Type: kind}, sampleFrame()); err == nil {
			t.Errorf("%s: drew a frame of one text", kind)
		}
	}
	if err := Drawable(&Panel{Type: "table"}, nil); !errors.Is(err, ErrEmpty) {
		t.Errorf("no frame: got %v, want %v", err, ErrEmpty)
	}
	v := View{Variables: map[string]string{"device": "a b'"}}
	if got, err := v.Fill("'${device:percentencode}' $__timeFilter(x) $other", time.Second); err != nil || got != "'a%20b%27' $__timeFilter(x) $other" {
		t.Errorf("got %s %v", got, err)
	}
	for _, text := range []string{"${gone}", "${device:glob}"} {
		if _, err := v.Fill(text, time.Second); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

func sampleFrame() data.Frames {
	return data.Frames{data.NewFrame("", data.NewField("text", nil, []string{"a"}))}
}
