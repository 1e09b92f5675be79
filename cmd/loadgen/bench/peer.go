package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

// peer is a VictoriaLogs that does the same work (docs.victoriametrics.com/victorialogs). Each measurement has its own tenant, so that
// earlier entries are not read. It must keep entries of 30 days ago: -retentionPeriod=100d.
type peer struct {
	base    string
	version string
	tenant  uint32 // AccountID of the latest measurement
	client  *http.Client
}

func openPeer(ctx context.Context, base string) (*peer, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("peer %q: want http://host:port", base)
	}
	p := &peer{
		base: strings.TrimRight(base, "/"), tenant: uint32(time.Now().Unix()),
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections + 1}},
	}
	metrics, err := p.metrics(ctx)
	if err != nil {
		return nil, err
	}
	p.version = versionOf(metrics)
	return p, nil
}

// versionOf reads vm_app_version{version="…",short_version="v1.2.3"} 1.
func versionOf(metrics []byte) string {
	_, rest, _ := bytes.Cut(metrics, []byte(`short_version="`))
	version, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(version)
}

func (p *peer) metrics(ctx context.Context) ([]byte, error) { return p.do(ctx, "/metrics", nil, nil) }

// do posts a body, or a form without one, and returns the response.
func (p *peer) do(ctx context.Context, path string, params url.Values, body []byte) ([]byte, error) {
	target, kind, content := p.base+path, "application/stream+json", body
	if body == nil {
		kind, content = "application/x-www-form-urlencoded", []byte(params.Encode())
	} else {
		target += "?" + params.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("ask the peer: %w", err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("AccountID", strconv.FormatUint(uint64(p.tenant), 10))
	res, err := p.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the peer: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("answer of the peer: %w", err)
	}
	if res.StatusCode/100 != 2 {
		return nil, fmt.Errorf("answer of the peer to %s: HTTP %d %.200s", path, res.StatusCode, text)
	}
	return text, nil
}

// sample sums a metric over the label sets that contain with.
func sample(metrics []byte, name, with string) (sum float64) {
	for line := range bytes.Lines(metrics) {
		text := strings.TrimSpace(string(line))
		end := strings.LastIndexByte(text, ' ') // a label value may contain a space too
		series := text[:max(end, 0)]
		if base, _, _ := strings.Cut(series, "{"); base != name || !strings.Contains(series, with) {
			continue
		}
		v, _ := strconv.ParseFloat(text[end+1:], 64)
		sum += v
	}
	return sum
}

// send writes the entries [0, n) as JSON lines.
func (p *peer) send(ctx context.Context, source *workload.Source, n int) error {
	params := url.Values{"_stream_fields": {"platform"}, "_time_field": {"timestamp"}, "_msg_field": {"action_detail"}}
	var next atomic.Int64
	errs := make([]error, connections)
	var all sync.WaitGroup
	for c := range errs {
		all.Go(func() {
			var body []byte
			for errs[c] == nil {
				first := int(next.Add(batch)) - batch
				if first >= n {
					return
				}
				body = source.AppendLines(body[:0], first, min(batch, n-first), nil)
				_, errs[c] = p.do(ctx, "/insert/jsonline", params, body)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// filterOf translates the parameters of a list or a count to LogsQL.
func filterOf(params url.Values) string {
	var all []string
	for _, name := range []string{"platform", "serial", "action_type", "username"} {
		if v := params.Get(name); v != "" {
			all = append(all, name+":="+strconv.Quote(v))
		}
	}
	if v := params.Get("search"); v != "" {
		all = append(all, strconv.Quote(v))
	}
	if len(all) == 0 {
		return "*"
	}
	return strings.Join(all, " ")
}

// question returns the form of a query with the time range of params.
func question(logsQL string, params url.Values) url.Values {
	form := url.Values{"query": {logsQL}}
	for _, name := range []string{"start", "end"} {
		if v := params.Get(name); v != "" {
			form.Set(name, v)
		}
	}
	return form
}

// list reads the newest 100 matching entries.
func (p *peer) list(ctx context.Context, params url.Values) error {
	form := question(filterOf(params), params)
	form.Set("limit", "100")
	_, err := p.do(ctx, "/select/logsql/query", form, nil)
	return err
}

func (p *peer) stats(ctx context.Context, logsQL string, params url.Values) error {
	_, err := p.do(ctx, "/select/logsql/query", question(logsQL, params), nil)
	return err
}

// count returns the number of matching entries.
func (p *peer) count(ctx context.Context, params url.Values) (int64, error) {
	text, err := p.do(ctx, "/select/logsql/query", question(filterOf(params)+" | stats count() n", params), nil)
	if err != nil {
		return 0, err
	}
	var row struct {
		N string `json:"n"`
	}
	if err := json.Unmarshal(bytes.TrimSpace(text), &row); err != nil {
		return 0, fmt.Errorf("count of the peer %.100q: %w", text, err)
	}
	return strconv.ParseInt(row.N, 10, 64)
}

// ingestPeer stores the same n entries in the peer, and records its figures beside ours. It does nothing without a peer.
func (b *bench) ingestPeer(ctx context.Context, n int) error {
	p := b.peer
	if p == nil {
		return nil
	}
	p.tenant++
	before, err := p.metrics(ctx)
	if err != nil {
		return err
	}
	source, begun := b.source(n), time.Now()
	if err := p.send(ctx, source, n); err != nil {
		return err
	}
	accepted := time.Since(begun)
	stored, err := p.awaitCount(ctx, int64(n), begun)
	if err != nil {
		return err
	}
	after, quiet, err := p.awaitQuiet(ctx, begun)
	if err != nil {
		return err
	}
	each := func(name, with string) float64 {
		return (sample(after, name, with) - sample(before, name, with)) / float64(n)
	}
	b.addPeer("accepted", "%.0fk/s", float64(n)/accepted.Seconds()/1e3)
	b.addPeer(storedRate, "%.0fk/s", float64(n)/stored.Seconds()/1e3)
	b.addPeer("last entry accepted until all are stored", "%.2f s", (stored - accepted).Seconds())
	b.addPeer("until merges are done", "%.1f s", quiet.Seconds())
	b.addPeer(cpuEach, "%.2f µs", 1e6*each("process_cpu_seconds_total", ""))
	if b.part != "burst" {
		b.addPeer(bytesEach, "%.1f B", each("vl_data_size_bytes", `type="storage"`))
		b.addPeer(peakMemory, "%.0f MB", sample(after, "process_resident_memory_peak_bytes", "")/(1<<20))
	}
	return nil
}

func (p *peer) awaitCount(ctx context.Context, n int64, begun time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	for {
		got, err := p.count(ctx, nil)
		if err == nil && got >= n {
			return time.Since(begun), nil
		}
		if ctx.Err() != nil {
			return 0, fmt.Errorf("the peer stored %d of %d entries: %w", got, n, errors.Join(ctx.Err(), err))
		}
		sleep(ctx, 50*time.Millisecond)
	}
}

// awaitQuiet waits until the peer has used less than 5 % of a core for three seconds, and returns its metrics.
func (p *peer) awaitQuiet(ctx context.Context, begun time.Time) (metrics []byte, took time.Duration, err error) {
	const cpu = "process_cpu_seconds_total"
	ctx, cancel := context.WithTimeout(ctx, quietPatience)
	defer cancel()
	if metrics, err = p.metrics(ctx); err != nil {
		return nil, 0, err
	}
	for quiet := 0; quiet < 3; {
		last := sample(metrics, cpu, "")
		sleep(ctx, time.Second)
		if metrics, err = p.metrics(ctx); err != nil {
			return nil, 0, fmt.Errorf("wait until the peer is quiet: %w", err)
		}
		if quiet++; sample(metrics, cpu, "")-last >= 0.05 {
			quiet = 0
		}
	}
	return metrics, time.Since(begun), nil
}
