// Package paneltest runs the dashboards of deploy/grafana as Grafana does: it fills in variables, expands macros, asks ClickHouse and
// Prometheus, makes data frames, and says what a panel cannot draw. It is a module of its own, because the frames come from Grafana's
// SDK, which the services do not need.
package paneltest

import (
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
)

// Types of the data sources that the dashboards may use.
const (
	ClickHouse = "grafana-clickhouse-datasource"
	Prometheus = "prometheus"
)

// Dashboard is what the test looks at in a dashboard's JSON.
type Dashboard struct {
	File          string `json:"-"`
	UID           string `json:"uid"`
	Title         string `json:"title"`
	Description   string `json:"description"`
	SchemaVersion int    `json:"schemaVersion"`
	Timezone      string `json:"timezone"`
	Time          struct {
		From string `json:"from"`
		To   string `json:"to"`
	} `json:"time"`
	Tags       []string `json:"tags"`
	Links      []Link   `json:"links"`
	Templating struct {
		List []Variable `json:"list"`
	} `json:"templating"`
	Panels []Panel `json:"panels"`
}

// Source refers to a data source.
type Source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// Link leads from a dashboard, a panel or a value to somewhere else.
type Link struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

// Variable is one of a dashboard.
type Variable struct {
	Name        string          `json:"name"`
	Label       string          `json:"label"`
	Type        string          `json:"type"`
	Description string          `json:"description"`
	Datasource  Source          `json:"datasource"`
	Query       json.RawMessage `json:"query"` // a text, or an object with the member query
	Current     struct {
		Value json.RawMessage `json:"value"`
	} `json:"current"`
	AllValue string `json:"allValue"`
}

// Text is the query of v.
func (v Variable) Text() string {
	var text string
	if json.Unmarshal(v.Query, &text) == nil {
		return text
	}
	var object struct {
		Query string `json:"query"`
	}
	_ = json.Unmarshal(v.Query, &object)
	return object.Query
}

// Saved is the value with which the dashboard opens.
func (v Variable) Saved() string {
	var text string
	if json.Unmarshal(v.Current.Value, &text) == nil {
		return text
	}
	var all []string
	if json.Unmarshal(v.Current.Value, &all) == nil && len(all) == 1 && all[0] == "$__all" {
		return v.AllValue
	}
	return ""
}

// Panel is one panel, or a row, which is the heading of the panels after it.
type Panel struct {
	ID          int      `json:"id"`
	Type        string   `json:"type"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Datasource  Source   `json:"datasource"`
	Targets     []Target `json:"targets"`
	Interval    string   `json:"interval"`
	Links       []Link   `json:"links"`
	GridPos     struct {
		X, Y, W, H int
	} `json:"gridPos"`
	FieldConfig struct {
		Defaults struct {
			Unit        string `json:"unit"`
			NoValue     string `json:"noValue"`
			DisplayName string `json:"displayName"`
			Links       []Link `json:"links"`
		} `json:"defaults"`
		Overrides []Override `json:"overrides"`
	} `json:"fieldConfig"`
	Options struct {
		Calculate     bool `json:"calculate"`
		ReduceOptions struct {
			Fields string `json:"fields"`
		} `json:"reduceOptions"`
	} `json:"options"`
}

// Override sets properties of the fields that it matches.
type Override struct {
	Matcher struct {
		ID      string `json:"id"`
		Options string `json:"options"`
	} `json:"matcher"`
	Properties []struct {
		ID    string          `json:"id"`
		Value json.RawMessage `json:"value"`
	} `json:"properties"`
}

// Target is one query of a panel.
type Target struct {
	RefID      string `json:"refId"`
	Datasource Source `json:"datasource"`

	RawSQL string `json:"rawSql"` // ClickHouse

	Expr         string `json:"expr"` // Prometheus
	LegendFormat string `json:"legendFormat"`
	Instant      bool   `json:"instant"`

	raw json.RawMessage
}

// UnmarshalJSON keeps the JSON itself too: the data source gets it as it is.
func (t *Target) UnmarshalJSON(text []byte) error {
	type plain Target
	if err := json.Unmarshal(text, (*plain)(t)); err != nil {
		return err
	}
	t.raw = append(json.RawMessage(nil), text...)
	return nil
}

// Load reads the dashboards of a folder.
func Load(folder string) ([]Dashboard, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s has no dashboards", folder)
	}
	var all []Dashboard
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		d, err := Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		d.File = strings.TrimSuffix(filepath.Base(path), ".json")
		all = append(all, d)
	}
	return all, nil
}

// Parse reads one dashboard.
func Parse(text []byte) (d Dashboard, err error) {
	err = json.Unmarshal(text, &d)
	return d, err
}

// Drawn are the panels that show data, which rows do not.
func (d *Dashboard) Drawn() iter.Seq[*Panel] {
	return func(yield func(*Panel) bool) {
		for i := range d.Panels {
			if p := &d.Panels[i]; p.Type != "row" && !yield(p) {
				return
			}
		}
	}
}

// Each returns copies of the panel, each with one of its queries.
func (p *Panel) Each() iter.Seq[*Panel] {
	return func(yield func(*Panel) bool) {
		for i := range p.Targets {
			one := *p
			one.Targets = p.Targets[i : i+1 : i+1]
			if !yield(&one) {
				return
			}
		}
	}
}

// AllLinks are the links of the panel, and those of its values.
func (p *Panel) AllLinks() []Link {
	all := append(append([]Link(nil), p.Links...), p.FieldConfig.Defaults.Links...)
	for _, o := range p.FieldConfig.Overrides {
		all = append(all, o.links(nil)...)
	}
	return all
}

// links returns the links of the fields that o matches: those that o sets, or else the given ones.
func (o Override) links(links []Link) []Link {
	for _, property := range o.Properties {
		if property.ID == "links" {
			links = nil
			_ = json.Unmarshal(property.Value, &links)
		}
	}
	return links
}
