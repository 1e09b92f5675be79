package paneltest

import (
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// units are the ids of Grafana's units that the dashboards use.
var units = []string{"short", "percentunit", "s", "bytes", "Bps", "cps", "reqps", "ops", "dateTimeAsIso", "string"}

// The JSON of every dashboard is complete and consistent.
func TestDashboardsAreComplete(t *testing.T) {
	uids := map[string]bool{}
	for _, d := range dashboards(t) {
		switch {
		case d.UID != "activitylog-"+d.File || uids[d.UID]:
			t.Errorf("%s: the uid is %q", d.File, d.UID)
		case d.Title == "" || !strings.HasSuffix(d.Description, ".") || !slices.Contains(d.Tags, "activitylog"):
			t.Errorf("%s: title %q, description %q, tags %v", d.File, d.Title, d.Description, d.Tags)
		case d.SchemaVersion < 39 || d.SchemaVersion > 42 || d.Timezone != "utc":
			t.Errorf("%s: schema version %d, time zone %q", d.File, d.SchemaVersion, d.Timezone)
		}
		uids[d.UID] = true
		sources := map[Source]bool{}
		for _, x := range d.Templating.List {
			if x.Type == "datasource" {
				sources[Source{Type: x.Text(), UID: "${" + x.Name + "}"}] = true
				if x.Text() != ClickHouse && x.Text() != Prometheus {
					t.Errorf("%s: variable %s is a data source of the type %q", d.File, x.Name, x.Text())
				}
			} else if x.Label == "" || !strings.HasSuffix(x.Description, ".") {
				t.Errorf("%s: variable %s has the label %q and the description %q", d.File, x.Name, x.Label, x.Description)
			}
		}
		ids := map[int]bool{}
		for i := range d.Panels {
			p := &d.Panels[i]
			if p.ID <= 0 || ids[p.ID] || p.Title == "" {
				t.Errorf("%s: panel %d %q: its id is there twice, or it has no title", d.File, p.ID, p.Title)
			}
			ids[p.ID] = true
			if p.Type != "row" {
				checkPanel(t, d, p, sources)
			}
			for j := range i {
				if overlap(p, &d.Panels[j]) {
					t.Errorf("%s: %q lies on %q", d.File, p.Title, d.Panels[j].Title)
				}
			}
		}
	}
}

func checkPanel(t *testing.T, d Dashboard, p *Panel, sources map[Source]bool) {
	t.Helper()
	show := p.FieldConfig.Defaults
	if !strings.HasSuffix(p.Description, ".") || show.NoValue == "" || !slices.Contains(units, show.Unit) {
		t.Errorf("%s, %q: description %q, unit %q, text without data %q", d.File, p.Title, p.Description, show.Unit, show.NoValue)
	}
	if p.GridPos.W < 1 || p.GridPos.H < 1 || p.GridPos.X < 0 || p.GridPos.X+p.GridPos.W > 24 {
		t.Errorf("%s, %q: does not fit into 24 columns: %+v", d.File, p.Title, p.GridPos)
	}
	if len(p.Targets) == 0 || !sources[p.Datasource] {
		t.Errorf("%s, %q: %d queries of the data source %+v, want one of %v", d.File, p.Title, len(p.Targets), p.Datasource, slices.Collect(maps.Keys(sources)))
	}
	refs := map[string]bool{}
	for _, target := range p.Targets {
		if target.RefID == "" || refs[target.RefID] || target.Datasource != p.Datasource || (target.Expr == "") == (target.RawSQL == "") {
			t.Errorf("%s, %q: query %q of %+v is there twice, is empty or asks another data source", d.File, p.Title, target.RefID, target.Datasource)
		}
		refs[target.RefID] = true
		// A value that is encoded cannot leave its quotes, whatever is in it.
		for _, m := range reference.FindAllStringSubmatch(target.RawSQL, -1) {
			if m[1] != "" && m[3] != "percentencode" {
				t.Errorf("%s, %q: %s in SQL, want ${%s:percentencode} within decodeURLComponent('…')", d.File, p.Title, m[0], m[1])
			}
		}
	}
}

func overlap(a, b *Panel) bool {
	return a.GridPos.X < b.GridPos.X+b.GridPos.W && b.GridPos.X < a.GridPos.X+a.GridPos.W &&
		a.GridPos.Y < b.GridPos.Y+b.GridPos.H && b.GridPos.Y < a.GridPos.Y+a.GridPos.H
}

var (
	explorerField = regexp.MustCompile(`fields = \[([^\]]+)\]`)
	explorerParam = regexp.MustCompile(`p\.(?:get|has)\('(\w+)'\)`)
	anchorHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// Every link leads somewhere: to the explorer with parameters that it knows, to a dashboard with variables that it has, or to a heading
// of the runbook. It takes only values that there are.
func TestLinks(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	page := read("query/ui/src/query.ts")
	known := regexp.MustCompile(`\w+`).FindAllString(explorerField.FindStringSubmatch(page)[1], -1)
	for _, m := range explorerParam.FindAllStringSubmatch(page, -1) {
		known = append(known, m[1])
	}
	anchors := map[string]bool{}
	for _, m := range anchorHeading.FindAllStringSubmatch(read("deploy/README.md"), -1) {
		anchors[strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")] = true
	}
	variables := map[string][]string{}
	all := dashboards(t)
	for _, d := range all {
		for _, x := range d.Templating.List {
			variables[d.UID] = append(variables[d.UID], x.Name)
		}
	}
	explorers, sums := 0, 0
	for _, d := range all {
		links := slices.DeleteFunc(slices.Clone(d.Links), func(l Link) bool { return l.Type == "dashboards" })
		for p := range d.Drawn() {
			links = append(links, p.AllLinks()...)
			switch {
			case sumsOthers(p):
				sums++
				if linksOthers(p) {
					t.Errorf("%s, %q: the series of all others links to the value %q, which there is not", d.File, p.Title, others)
				}
			case len(ofOthers(p)) > 0:
				t.Errorf("%s, %q: an override of the series %q, which no query has", d.File, p.Title, others)
			}
		}
		for _, l := range links {
			for _, m := range reference.FindAllStringSubmatch(l.URL, -1) {
				if name := m[1] + m[4]; !strings.HasPrefix(name, "__") && !slices.Contains(variables[d.UID], name) {
					t.Errorf("%s: the link %q takes %s, which there is not", d.File, l.Title, m[0])
				}
			}
			path, query, _ := strings.Cut(l.URL, "?")
			switch _, anchor, _ := strings.Cut(l.URL, "#"); {
			case strings.HasPrefix(l.URL, "${explorer}/"):
				explorers++
				for name := range parameters(t, query) {
					if !slices.Contains(known, name) {
						t.Errorf("%s: the link %q gives the explorer %q, which it does not know", d.File, l.Title, name)
					}
				}
			case strings.HasPrefix(l.URL, "/d/"):
				of := variables[strings.TrimPrefix(path, "/d/")]
				for name := range parameters(t, query) {
					if name, ok := strings.CutPrefix(name, "var-"); ok && !slices.Contains(of, name) {
						t.Errorf("%s: the link %q sets %q of %s, which has %v", d.File, l.Title, name, path, of)
					}
				}
			case strings.HasPrefix(l.URL, "https://github.com/activitylog/activitylog/blob/main/deploy/README.md#"):
				if !anchors[anchor] {
					t.Errorf("%s: the link %q leads to #%s, which is no heading", d.File, l.Title, anchor)
				}
			default:
				t.Errorf("%s: the link %q leads to %s", d.File, l.Title, l.URL)
			}
		}
	}
	if explorers < 10 {
		t.Errorf("%d links lead to the explorer", explorers)
	}
	if sums == 0 {
		t.Errorf("no panel has the series %q: their links were not checked", others)
	}
}

// others is the name of the series of all values that have none of their own.
const others = "others"

func sumsOthers(p *Panel) bool {
	return slices.ContainsFunc(p.Targets, func(t Target) bool { return strings.Contains(t.RawSQL, "'"+others+"'") })
}

// ofOthers returns what the panel sets for the series of all others.
func ofOthers(p *Panel) []Override {
	return slices.DeleteFunc(slices.Clone(p.FieldConfig.Overrides), func(o Override) bool { return o.Matcher.ID != "byName" || o.Matcher.Options != others })
}

// linksOthers reports whether the series of all others has a link that takes the name of the series.
func linksOthers(p *Panel) bool {
	links := p.FieldConfig.Defaults.Links
	for _, o := range ofOthers(p) {
		links = o.links(links)
	}
	return slices.ContainsFunc(links, func(l Link) bool { return strings.Contains(l.URL, "${__field.") })
}

func parameters(t *testing.T, query string) url.Values {
	t.Helper()
	values, err := url.ParseQuery(reference.ReplaceAllString(query, "x"))
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return values
}
