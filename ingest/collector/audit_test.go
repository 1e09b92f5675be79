package collector_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/activitylog/activitylog/ingest/collector"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
	"github.com/activitylog/activitylog/schema/api"
	"github.com/activitylog/activitylog/schema/api/contract"
)

var update = flag.Bool("update", false, "write the responses into testdata")

const auditPath = "/api/v1/activity-logs"

// TestExchanges replays testdata/*/*.http, each file on a new topic of one partition. Exchanges in a file are separated by
// lines "###": the request with its headers, an empty line and its body, then an empty line and the response, which begins
// with "HTTP". {{name}} stands for a value that differs each time; {{9 x}} in a body is sent as nine x.
func TestExchanges(t *testing.T) {
	changes := map[string]func(*collector.Config){
		"limits.http": func(c *collector.Config) { c.MaxBodyBytes, c.MaxEntries = 2000, 3 },
		"rate.http":   func(c *collector.Config) { c.RateLimit, c.RateBurst = 0.5, 2 },
	}
	files, err := filepath.Glob("testdata/*/*.http")
	if err != nil || len(files) == 0 {
		t.Fatalf("no exchanges: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(file, "testdata/"), ".http"), func(t *testing.T) {
			r := start(t, 1, changes[filepath.Base(file)]).ready()
			if filepath.Base(file) == "unavailable.http" {
				r.broker.Stop()
			}
			r.replay(file)
		})
	}
}

func (r *rig) replay(file string) {
	r.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for exchange := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n###\n") {
		got := r.exchange(exchange)
		if diff := cmp.Diff(exchange, got); diff != "" && !*update {
			r.t.Errorf("%s (-want +got):\n%s", file, diff)
		}
		out = append(out, got)
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n###\n")+"\n"), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
}

var (
	madeID  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`) // a UUIDv4; those of entries are UUIDv8
	many    = regexp.MustCompile(`\{\{(\d+) x\}\}`)
	seconds = regexp.MustCompile(`(?m)^Retry-After: [123]$`)
)

// exchange performs the request of an exchange and returns the exchange with the response that it got.
func (r *rig) exchange(text string) string {
	r.t.Helper()
	request, _, _ := strings.Cut(text, "\n\nHTTP ")
	head, body, _ := strings.Cut(request, "\n\n")
	lines := strings.Split(head, "\n")
	for strings.HasPrefix(lines[0], "#") {
		lines = lines[1:]
	}
	body = many.ReplaceAllStringFunc(body, func(s string) string {
		n, _ := strconv.Atoi(many.FindStringSubmatch(s)[1])
		return strings.Repeat("x", n)
	})
	method, target, _ := strings.Cut(lines[0], " ")
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.server.URL+target, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	res, err := r.server.Client().Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	contract.Hold(r.t, contract.Exchange{
		Method: method, Target: target, Header: req.Header, Body: []byte(body),
		Status: res.StatusCode, AnswerHeader: res.Header, Answer: answer,
	})
	got := fmt.Sprintf("%s\n\nHTTP %d\n", request, res.StatusCode)
	for _, name := range []string{"Content-Type", "Allow", "Retry-After", "WWW-Authenticate", schema.PositionHeader, api.RequestIDHeader} {
		if value := res.Header.Get(name); value != "" {
			got += name + ": " + value + "\n"
		}
	}
	got += "\n" + string(answer)
	got = madeID.ReplaceAllString(got, "{{a new id}}")
	return seconds.ReplaceAllString(got, "Retry-After: {{1 to 3}}")
}

// audit sends a body to one of the audit endpoints and returns the response's data.
func (r *rig) audit(below, body string, headers ...string) (status int, header http.Header, data auditData, text string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.server.URL+auditPath+below, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := r.server.Client().Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	var envelope struct{ Data auditData }
	if err := json.Unmarshal(b, &envelope); err != nil {
		r.t.Fatalf("response %s: %v", b, err)
	}
	return res.StatusCode, res.Header, envelope.Data, string(b)
}

type auditData struct {
	ID                 uuid.UUID
	IDs                []*uuid.UUID
	Accepted, Rejected int
	Errors             []struct {
		Index              int
		Field, Code, Issue string
	}
}

// TestAuditInTheLog checks that every field of an entry is in the log, under the id in the response.
func TestAuditInTheLog(t *testing.T) {
	r := start(t, 4, nil).ready()
	const body = `{"action":"TICKET_PAY","timestamp":1770883400123,"userId":"abc-123","user":{"name":"Ada L.","kind":"business"},"username":"ada",
		"targets":[{"type":"TICKET","id":"t-456","name":"Lunch"},{"type":"USER","id":"7"}],"detail":"paid","details":{"amount": 5.0},"platform":"web",
		"serial":"SN-1","ipAddress":"192.168.1.100","userAgent":"Mozilla/5.0","requestId":"req-1","layer":"api"}`
	status, header, data, text := r.audit("", body)
	id, err := schema.IDOfUUID(data.ID)
	if status != 201 || err != nil || header.Get(schema.PositionHeader) == "" || header.Get(api.RequestIDHeader) == "" {
		t.Fatalf("%d %v %s, %v", status, header, text, err)
	}
	entries, _ := r.log(4)
	if len(entries) != 1 {
		t.Fatalf("%d entries in the log, want 1", len(entries))
	}
	got := entries[0]
	var extra activitypb.Extra
	if err := extra.UnmarshalVT(got.Extra); err != nil {
		t.Fatal(err)
	}
	want := &activitypb.Extra{ActorLabel: "Ada L.", TargetNames: []string{"Lunch", ""}, IpAddress: "192.168.1.100", UserAgent: "Mozilla/5.0", Layer: "api"}
	if got.ID != id || got.Timestamp != 1770883400123 || got.Action != "TICKET_PAY" || got.ActorId != "abc-123" || got.ActorName != "ada" || got.ActorKind != "business" ||
		!cmp.Equal(got.Targets, []string{"TICKET\x00t-456", "USER\x007"}) || got.Detail != "paid" || string(got.Details) != `{"amount": 5.0}` || got.Platform != "web" ||
		got.Device != "SN-1" || got.RequestId != "req-1" || got.Tenant != schema.DefaultTenant || !cmp.Equal(&extra, want, protocmp.Transform()) {
		t.Errorf("id %d, want %d; stored %v, extra %v", got.ID, id, got.Entry, &extra)
	}
	at, err := schema.ParsePosition(header.Get(schema.PositionHeader))
	if offset, ok := at[got.Partition]; err != nil || !ok || offset != got.Offset {
		t.Errorf("position %v, %v, want p%d:%d", at, err, got.Partition, got.Offset)
	}
}

func TestAuditBatch(t *testing.T) {
	r := start(t, 4, nil).ready()
	items := []string{`{"action":"a0","serial":"s0"}`, `{"serial":"x"}`, `{"action":"a2","userId":"u"}`, `{"action":"a3","targets":[{"type":"T","id":1}]}`, `{"action":"a4","targetType":"T","targetId":"1"}`}
	array, ndjson := "["+strings.Join(items, ",")+"]", strings.Join(items, "\n")
	want := map[uint64]string{}
	for _, c := range []struct{ name, body, contentType, encoding string }{
		{"array", array, "application/json", ""},
		{"ndjson", ndjson, "application/x-ndjson", ""},
		{"gzip", gzipped(t, array), "application/json", "gzip"},
		{"zstd", zstded(t, ndjson), "application/x-ndjson", "zstd"},
		{"deflate", deflated(t, array), "application/json", "deflate"},
	} {
		status, header, data, text := r.audit("/batch", c.body, "Content-Type", c.contentType, "Content-Encoding", c.encoding)
		if status != 200 || data.Accepted != 3 || data.Rejected != 2 || len(data.IDs) != 5 || len(data.Errors) != 2 {
			t.Fatalf("%s: %d %s", c.name, status, text)
		}
		for i, id := range data.IDs {
			if (id == nil) != (i == 1 || i == 3) {
				t.Fatalf("%s: ids %s", c.name, text)
			}
			if id == nil {
				continue
			}
			n, err := schema.IDOfUUID(*id)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			want[n] = fmt.Sprintf("a%d", i)
		}
		if e := data.Errors[0]; e.Index != 1 || e.Field != "action" || e.Code != "REQUIRED" || e.Issue != "is required" {
			t.Errorf("%s: error %+v", c.name, e)
		}
		if e := data.Errors[1]; e.Index != 3 || e.Field != "targets[0].id" || e.Code != "TYPE" {
			t.Errorf("%s: error %+v", c.name, e)
		}
		if at, err := schema.ParsePosition(header.Get(schema.PositionHeader)); err != nil || len(at) == 0 {
			t.Errorf("%s: position %v, %v", c.name, at, err)
		}
	}
	entries, _ := r.log(4)
	got := map[uint64]string{}
	for _, e := range entries {
		got[e.ID] = e.Action
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the responses and the log differ (-responses +log):\n%s", diff)
	}
}

// TestKeysOfAllDialects checks that an event id is the same in every dialect.
func TestKeysOfAllDialects(t *testing.T) {
	r := start(t, 4, nil).ready()
	first := r.post(`{"action_type":"a","serial":"s","timestamp":1707725000}`, "Idempotency-Key", "k")
	for _, c := range []struct {
		name, below, body string
		headers           []string
	}{
		{"by header", "", `{"action":"a","serial":"s","timestamp":1707725000000}`, []string{"Idempotency-Key", "k"}},
		{"by event id", "", `{"action":"a","serial":"s","timestamp":"2024-02-12T08:03:20Z","eventId":"k"}`, nil},
		{"in a batch", "/batch", `[{"action":"a","serial":"s","timestamp":1707725000000,"eventId":"k"}]`, nil},
	} {
		status, header, data, text := r.audit(c.below, c.body, c.headers...)
		id := data.ID
		if c.below != "" && len(data.IDs) == 1 && data.IDs[0] != nil {
			id = *data.IDs[0]
		}
		if status >= 300 || id != schema.UUID(first.ID) || header.Get(schema.PositionHeader) != first.Header.Get(schema.PositionHeader) {
			t.Errorf("%s: %d %s, want id %s", c.name, status, text, schema.UUID(first.ID))
		}
	}
	if status, _, _, text := r.audit("", `{"action":"b","eventId":"k"}`); status != 422 || !strings.Contains(text, `"field":"eventId","code":"CONFLICT"`) {
		t.Errorf("another entry: %d %s", status, text)
	}
	if entries, _ := r.log(4); len(entries) != 1 {
		t.Errorf("%d entries in the log, want 1", len(entries))
	}
}
