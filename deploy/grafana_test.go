package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

var fromEnvironment = regexp.MustCompile(`\$\{(\w+)\}`)

// Grafana gets every dashboard, finds them where its configuration says, and fills in every variable of its data sources.
func TestGrafanaIsProvisioned(t *testing.T) {
	s := load(t).Services["grafana"]
	var boards struct {
		Providers []struct {
			Options struct{ Path string }
		}
	}
	text := must(os.ReadFile(mounted(t, s.Volumes, "/etc/grafana/provisioning/dashboards/activitylog.yml")))
	if err := yaml.Unmarshal(text, &boards); err != nil {
		t.Fatal(err)
	}
	folder := boards.Providers[0].Options.Path
	for _, path := range must(filepath.Glob("grafana/dashboards/*.json")) {
		if got := mounted(t, s.Volumes, filepath.Join(folder, filepath.Base(path))); got != must(filepath.Abs(path)) {
			t.Errorf("%s is mounted in place of %s", got, path)
		}
	}
	mounted(t, s.Volumes, *s.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
	text = must(os.ReadFile(mounted(t, s.Volumes, "/etc/grafana/provisioning/datasources/activitylog.yml")))
	names := fromEnvironment.FindAllStringSubmatch(string(text), -1)
	if len(names) < 5 {
		t.Errorf("the data sources take %v from the environment, want addresses and the password", names)
	}
	for _, m := range names {
		if s.Environment[m[1]] == nil {
			t.Errorf("the data sources need %s, which the compose file does not set", m[1])
		}
	}
	if strings.Contains(string(text), "other") {
		t.Error("the password is in the file")
	}
}

// Grafana is for looking: nobody can log in, and the user of its data source can only read.
func TestGrafanaOnlyShows(t *testing.T) {
	project := load(t)
	s := project.Services["grafana"]
	for name, want := range map[string]string{
		"GF_AUTH_ANONYMOUS_ENABLED": "true", "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer", "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
		"READER_PASSWORD": *project.Services["clickhouse"].Environment["READER_PASSWORD"],
	} {
		if got := s.Environment[name]; got == nil || *got != want {
			t.Errorf("%s is not %q", name, want)
		}
	}
	if got := project.Services["prometheus"].Profiles; !slices.Equal(s.Profiles, []string{"dashboards"}) || !slices.Contains(got, "dashboards") {
		t.Errorf("profiles: Grafana %v, Prometheus %v; want both in dashboards", s.Profiles, got)
	}
	var sources struct {
		Datasources []struct {
			Type     string
			JSONData struct{ Username, DefaultDatabase string } `yaml:"jsonData"`
		}
	}
	if err := yaml.Unmarshal(must(os.ReadFile("grafana/provisioning/datasources/activitylog.yml")), &sources); err != nil {
		t.Fatal(err)
	}
	if got := sources.Datasources[0].JSONData.Username; got != "reader" {
		t.Errorf("Grafana asks ClickHouse as %q, want reader", got)
	}
}

var runbookURL = regexp.MustCompile(`runbook_url: https://github.com/activitylog/activitylog/blob/main/deploy/README.md#(\w+)`)

// Every alert leads to its section of the runbook, and every section is about an alert.
func TestRunbook(t *testing.T) {
	text := string(must(os.ReadFile("README.md")))
	alerts := find(t, alertName, "prometheus/alerts.yml")
	anchors := find(t, runbookURL, "prometheus/alerts.yml")
	if len(anchors) != len(alerts) {
		t.Errorf("%d alerts have %d runbook URLs", len(alerts), len(anchors))
	}
	for i, name := range alerts {
		if i < len(anchors) && anchors[i] != strings.ToLower(name) {
			t.Errorf("the runbook URL of %s leads to #%s", name, anchors[i])
		}
		if !strings.Contains(text, "\n#### "+name+"\n") {
			t.Errorf("README.md has no section %s", name)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^#### (Activity\w+)$`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(alerts, m[1]) {
			t.Errorf("the section %s is about no alert", m[1])
		}
	}
}
