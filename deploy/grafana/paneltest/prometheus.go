package paneltest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// Metrics asks a Prometheus server.
type Metrics struct{ URL string }

type sample [2]json.RawMessage // Unix seconds, and a text

type promSeries struct {
	Metric map[string]string `json:"metric"`
	Value  sample            `json:"value"`
	Values []sample          `json:"values"`
}

func (m Metrics) get(ctx context.Context, path string, params url.Values, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL+"/api/v1/"+path+"?"+params.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var reply struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(text, &reply); err != nil {
		return fmt.Errorf("%s: %w", res.Status, err)
	}
	if reply.Status != "success" {
		return fmt.Errorf("prometheus: %s", reply.Error)
	}
	return json.Unmarshal(reply.Data, into)
}

// Run runs the query of a target, whose variables have been filled in.
func (m Metrics) Run(ctx context.Context, t Target, expr string, from, to time.Time, step time.Duration) (data.Frames, error) {
	path, params := "query_range", url.Values{"query": {expr}, "start": {unix(from)}, "end": {unix(to)}, "step": {unix(time.Unix(0, int64(step)))}}
	if t.Instant {
		path, params = "query", url.Values{"query": {expr}, "time": {unix(to)}}
	}
	var result struct {
		Result []promSeries `json:"result"`
	}
	if err := m.get(ctx, path, params, &result); err != nil {
		return nil, err
	}
	var table struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(t.raw, &table); err != nil {
		return nil, err
	}
	if table.Format == "table" {
		return tableOf(result.Result)
	}
	return framesOf(t, result.Result)
}

func unix(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

// framesOf makes one frame for each series, as Grafana's data source does. A legend names only labels that the series have.
func framesOf(t Target, all []promSeries) (frames data.Frames, err error) {
	for _, s := range all {
		for _, m := range legendLabel.FindAllStringSubmatch(t.LegendFormat, -1) {
			if _, ok := s.Metric[m[1]]; !ok {
				return nil, fmt.Errorf("legend %s: the series %v has no label %s", t.LegendFormat, s.Metric, m[1])
			}
		}
		values := s.Values
		if t.Instant {
			values = []sample{s.Value}
		}
		times, numbers := make([]time.Time, len(values)), make([]float64, len(values))
		for i, v := range values {
			if times[i], numbers[i], err = v.read(); err != nil {
				return nil, err
			}
		}
		frames = append(frames, data.NewFrame(t.RefID, data.NewField("Time", nil, times), data.NewField("Value", s.Metric, numbers)))
	}
	return frames, nil
}

var legendLabel = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

// tableOf makes one frame with a column for each label.
func tableOf(all []promSeries) (data.Frames, error) {
	if len(all) == 0 {
		return nil, nil
	}
	names := map[string]bool{}
	for _, s := range all {
		for name := range s.Metric {
			names[name] = true
		}
	}
	times, numbers := make([]time.Time, len(all)), make([]float64, len(all))
	for i, s := range all {
		var err error
		if times[i], numbers[i], err = s.Value.read(); err != nil {
			return nil, err
		}
	}
	frame := data.NewFrame("", data.NewField("Time", nil, times))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		column := make([]string, len(all))
		for i, s := range all {
			column[i] = s.Metric[name]
		}
		frame.Fields = append(frame.Fields, data.NewField(name, nil, column))
	}
	frame.Fields = append(frame.Fields, data.NewField("Value", nil, numbers))
	return data.Frames{frame}, nil
}

func (s sample) read() (at time.Time, value float64, err error) {
	var seconds float64
	var text string
	if err = json.Unmarshal(s[0], &seconds); err == nil {
		err = json.Unmarshal(s[1], &text)
	}
	if err == nil {
		value, err = strconv.ParseFloat(text, 64)
	}
	return time.UnixMilli(int64(seconds * 1000)), value, err
}
