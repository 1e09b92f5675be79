package deploy_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func promtool(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), installed(t, "promtool", "prometheus"), args...)
	cmd.Dir = "prometheus"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

func TestPrometheusConfig(t *testing.T) { promtool(t, "check", "config", "prometheus.yml") }
func TestPrometheusAlerts(t *testing.T) { promtool(t, "test", "rules", "alerts_test.yml") }

var (
	alertName  = regexp.MustCompile(`(?m)^ +- alert: (\w+)$`)
	testedName = regexp.MustCompile(`alertname: (\w+)`)
	metricName = regexp.MustCompile(`activity_[a-z]+_[a-z_]+`)
	registers  = regexp.MustCompile(`Name: +"(activity_[a-z]+_[a-z_]+)"`)
)

// Every alert has a test.
func TestPrometheusAlertsAreTested(t *testing.T) {
	tests := find(t, testedName, "prometheus/alerts_test.yml")
	for _, name := range find(t, alertName, "prometheus/alerts.yml") {
		if !slices.Contains(tests, name) {
			t.Errorf("alerts_test.yml has no test of %s", name)
		}
	}
}

// Alerts use metrics that the code registers.
func TestPrometheusMetricsExist(t *testing.T) {
	var registered []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			for _, m := range registers.FindAllStringSubmatch(string(must(os.ReadFile(path))), -1) {
				registered = append(registered, m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range find(t, metricName, "prometheus/alerts.yml") {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if !slices.Contains(registered, name) && !slices.Contains(registered, base) {
			t.Errorf("alerts.yml uses %s, which nothing registers", name)
		}
	}
}

// Prometheus scrapes exactly the services that serve metrics, at the ports on which they listen.
func TestPrometheusTargets(t *testing.T) {
	var config struct {
		ScrapeConfigs []struct {
			DNS []struct {
				Names []string
				Port  string
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(must(os.ReadFile("prometheus/prometheus.yml")), &config); err != nil {
		t.Fatal(err)
	}
	project, asked := load(t), map[string]string{}
	for _, scrape := range config.ScrapeConfigs {
		for _, dns := range scrape.DNS {
			for _, name := range dns.Names {
				asked[name] = dns.Port
			}
		}
	}
	for name, s := range project.Services {
		if s.Environment["HTTP_ADDR"] == nil {
			continue
		}
		if !slices.Contains(listens(s), asked[name]) || !sharesNetwork(s, project.Services["prometheus"]) {
			t.Errorf("Prometheus asks %s at port %q, it listens on %v", name, asked[name], listens(s))
		}
		delete(asked, name)
	}
	if len(asked) > 0 {
		t.Errorf("Prometheus asks %v, which serve no metrics", asked)
	}
}

// find returns re's matches in a file: the last group of each, or the whole match if re has no group.
func find(t *testing.T, re *regexp.Regexp, path string) (out []string) {
	t.Helper()
	for _, m := range re.FindAllStringSubmatch(string(must(os.ReadFile(path))), -1) {
		out = append(out, m[len(m)-1])
	}
	if len(out) == 0 {
		t.Fatalf("%s holds nothing like %s", path, re)
	}
	return out
}

// The alert on errors covers every operation of the interface, and no path that only probes or people ask.
func TestPrometheusErrorsCoverEveryRoute(t *testing.T) {
	covered := regexp.MustCompile("^(?:" + regexp.MustCompile(`status=~"5..",route=~"([^"]+)"`).FindStringSubmatch(string(must(os.ReadFile("prometheus/alerts.yml"))))[1] + ")$")
	var api struct {
		Paths map[string]map[string]struct {
			Tags []string
		}
	}
	if err := yaml.Unmarshal(must(os.ReadFile("../schema/openapi.yaml")), &api); err != nil {
		t.Fatal(err)
	}
	for path, operations := range api.Paths {
		for _, o := range operations {
			if of := slices.Contains(o.Tags, "operations") || slices.Contains(o.Tags, "page"); covered.MatchString(path) == of {
				t.Errorf("ActivityServerErrors and %s, tags %v: covered %v", path, o.Tags, !of)
			}
		}
	}
}
