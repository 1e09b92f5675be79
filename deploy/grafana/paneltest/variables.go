package paneltest

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// View is what a dashboard is opened with.
type View struct {
	From, To  time.Time
	Variables map[string]string
	Scrape    time.Duration // between two scrapes of Prometheus
}

// Open is the view of d with the saved values, changed by some others.
func (d *Dashboard) Open(from, to time.Time, set map[string]string) View {
	v := View{From: from, To: to, Variables: map[string]string{}, Scrape: time.Second}
	for _, x := range d.Templating.List {
		v.Variables[x.Name] = x.Saved()
	}
	maps.Copy(v.Variables, set)
	return v
}

var reference = regexp.MustCompile(`\$\{(\w+)(?:\.([\w.]+))?(?::([\w:]+))?\}|\$(\w+)`)

// Fill replaces the references to variables in text, as Grafana's page does before it sends a query. What it does not know it leaves
// alone, as Grafana does; macros of the data source are among that.
func (v View) Fill(text string, step time.Duration) (string, error) {
	var fault error
	out := reference.ReplaceAllStringFunc(text, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		name, format := m[1]+m[4], m[3]
		value, ok := v.builtin(name, format, step)
		if ok {
			return value
		}
		if value, ok = v.Variables[name]; !ok {
			if m[1] != "" && fault == nil {
				fault = fmt.Errorf("%s: there is no such variable", ref)
			}
			return ref
		}
		value, err := formatted(value, format)
		if err != nil && fault == nil {
			fault = fmt.Errorf("%s: %w", ref, err)
		}
		return value
	})
	return out, fault
}

func (v View) builtin(name, format string, step time.Duration) (string, bool) {
	switch name {
	case "__from":
		return moment(v.From, format), true
	case "__to":
		return moment(v.To, format), true
	case "__interval":
		return strconv.Itoa(int(step.Seconds())) + "s", true
	case "__interval_ms":
		return strconv.FormatInt(step.Milliseconds(), 10), true
	case "__rate_interval":
		return strconv.Itoa(int(max(step+v.Scrape, 4*v.Scrape).Seconds())) + "s", true
	case "__url_time_range":
		return "from=" + moment(v.From, "") + "&to=" + moment(v.To, ""), true
	}
	return "", false
}

func moment(t time.Time, format string) string {
	if format == "date:iso" || format == "date" {
		return t.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

// formatted is a value in one of the formats that the dashboards use.
func formatted(value, format string) (string, error) {
	switch format {
	case "", "raw", "text":
		return value, nil
	case "percentencode": // every byte except letters, digits, - . _ and ~
		return strings.ReplaceAll(url.QueryEscape(value), "+", "%20"), nil
	}
	return "", fmt.Errorf("format %q is not one that the test knows", format)
}

// steps are the intervals that Grafana rounds to.
var steps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 20 * time.Second, 30 * time.Second, time.Minute,
	2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour,
	3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
}

// width is for how many points a panel has room.
const width = 1000

// Step is the time between two points of p: at least its own interval.
func (v View) Step(p *Panel) (time.Duration, error) {
	least := time.Second
	if p.Interval != "" {
		var err error
		if least, err = duration(p.Interval); err != nil {
			return 0, fmt.Errorf("interval: %w", err)
		}
	}
	for _, s := range steps {
		if s >= least && s >= v.To.Sub(v.From)/width {
			return s, nil
		}
	}
	return steps[len(steps)-1], nil
}

// duration is a length of time in Grafana's words: 30s, 3h, 7d.
func duration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}

// Window is the time range with which d opens, now.
func (d *Dashboard) Window(now time.Time) (from, to time.Time, err error) {
	back, err := duration(strings.TrimPrefix(d.Time.From, "now-"))
	if err != nil || d.Time.To != "now" {
		return from, to, fmt.Errorf("time range %s to %s: want now-<length> to now", d.Time.From, d.Time.To)
	}
	return now.Add(-back), now, nil
}
