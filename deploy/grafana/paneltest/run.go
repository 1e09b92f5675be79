package paneltest

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// Sources are the data sources of the dashboards.
type Sources struct {
	Tables  *Tables
	Metrics Metrics
}

// Panel runs all queries of a panel and returns its frames. Its error says which query failed, or why the panel cannot draw the frames.
func (s Sources) Panel(ctx context.Context, p *Panel, v View) (all data.Frames, err error) {
	step, err := v.Step(p)
	if err != nil {
		return nil, err
	}
	for i := range p.Targets {
		t := &p.Targets[i]
		frames, err := s.target(ctx, t, v, step)
		if err != nil {
			return nil, fmt.Errorf("query %s: %w", t.RefID, err)
		}
		all = append(all, frames...)
	}
	return all, Drawable(p, all)
}

func (s Sources) target(ctx context.Context, t *Target, v View, step time.Duration) (data.Frames, error) {
	if t.Datasource.Type == Prometheus {
		expr, err := v.Fill(t.Expr, step)
		if err != nil {
			return nil, err
		}
		return s.Metrics.Run(ctx, *t, expr, v.From, v.To, step)
	}
	query, err := v.Fill(t.RawSQL, step)
	if err != nil {
		return nil, err
	}
	text, err := with(t.raw, "rawSql", query)
	if err != nil {
		return nil, err
	}
	return s.Tables.Run(ctx, text, v.From, v.To, step)
}

// Options are the values that a variable offers, with their texts.
func (s Sources) Options(ctx context.Context, x Variable, v View) (values []string, err error) {
	query, err := v.Fill(x.Text(), steps[0])
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(map[string]any{"rawSql": query, "format": 1, "queryType": "table"})
	if err != nil {
		return nil, err
	}
	frames, err := s.Tables.Run(ctx, text, v.From, v.To, steps[0])
	if err != nil {
		return nil, err
	}
	if len(frames) != 1 || len(frames[0].Fields) > 2 {
		return nil, fmt.Errorf("want a column of values, and perhaps one of their texts")
	}
	for i := range frames[0].Rows() {
		value, _ := frames[0].Fields[0].ConcreteAt(i)
		values = append(values, fmt.Sprint(value))
	}
	return values, nil
}

// with is a JSON object with another value of a member.
func with(object json.RawMessage, member string, value any) (json.RawMessage, error) {
	var all map[string]any
	if err := json.Unmarshal(object, &all); err != nil {
		return nil, err
	}
	all[member] = value
	return json.Marshal(all)
}
