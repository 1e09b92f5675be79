package collector_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/activitylog/activitylog/ingest/collector"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
)

// example is the request of the API's own documentation.
const example = `{
"platform": "tiktok",
"serial": "device_serial_123",
"action_type": "post",
"action_detail": "Published video successfully",
"username": "user123",
"timestamp": 1707725000
}`

func TestExample(t *testing.T) {
	r := start(t, 4, nil).ready()
	before := time.Now().UnixMilli()
	for _, contentType := range []string{"application/json", "", "application/x-www-form-urlencoded", "application/json; charset=utf-8"} {
		got := r.post(example, "Content-Type", contentType)
		if got.Status != 200 || !strings.HasPrefix(got.Body, `{"code":0,"message":"success","data":{"id":`) || got.ID == 0 {
			t.Fatalf("%q: reply %d %s", contentType, got.Status, got.Body)
		}
		position, err := schema.ParsePosition(got.Header.Get(schema.PositionHeader))
		if err != nil || len(position) != 1 {
			t.Errorf("position %q, %v", got.Header.Get(schema.PositionHeader), err)
		}
	}
	entries, _ := r.log(4)
	if len(entries) != 4 {
		t.Fatalf("%d entries in the log, want 4", len(entries))
	}
	e := entries[0]
	if e.Platform != "tiktok" || e.Device != "device_serial_123" || e.Action != "post" || e.Detail != "Published video successfully" ||
		e.ActorName != "user123" || e.Timestamp != 1707725000000 || e.Tenant != schema.DefaultTenant || e.Received < before || len(e.Details) != 0 {
		t.Errorf("stored %v", e)
	}
}

func gzipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func deflated(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t *testing.T, s string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	return string(w.EncodeAll([]byte(s), nil))
}

func TestBatch(t *testing.T) {
	r := start(t, 4, nil).ready()
	good := func(i int) string { return fmt.Sprintf(`{"action_type":"a%d","serial":"s%d"}`, i, i) }
	items := []string{good(0), `{"serial":"x"}`, good(2), `{"action_type":7}`, good(4)}
	array := "[" + strings.Join(items, ",") + "]"
	ndjson := strings.Join(items, "\n")
	sent := 0
	for _, c := range []struct{ name, body, contentType, encoding string }{
		{"array", array, "application/json", ""},
		{"ndjson", ndjson, "application/x-ndjson", ""},
		{"jsonl", ndjson, "application/jsonl; charset=utf-8", "identity"},
		{"gzip", gzipped(t, array), "application/json", "gzip"},
		{"zstd", zstded(t, ndjson), "application/x-ndjson", "zstd"},
		{"deflate", deflated(t, ndjson), "application/x-ndjson", "deflate"},
		{"two gzip members", gzipped(t, ndjson[:30]) + gzipped(t, ndjson[30:]), "application/x-ndjson", "gzip"},
	} {
		got := r.post(c.body, "Content-Type", c.contentType, "Content-Encoding", c.encoding)
		if got.Status != 200 || got.Code != 0 || got.Accepted != 3 || got.Rejected != 2 || len(got.IDs) != 5 || len(got.Errors) != 2 {
			t.Fatalf("%s: %d %s", c.name, got.Status, got.Body)
		}
		for i, id := range got.IDs {
			if (id == nil) != (i == 1 || i == 3) {
				t.Errorf("%s: ids %s", c.name, got.Body)
			}
		}
		if e := got.Errors[0]; e.Index != 1 || e.Code != 40001 || e.Message != "action_type: is required" {
			t.Errorf("%s: error %+v", c.name, e)
		}
		if e := got.Errors[1]; e.Index != 3 || e.Message != "action_type: must be a string" {
			t.Errorf("%s: error %+v", c.name, e)
		}
		if _, err := schema.ParsePosition(got.Header.Get(schema.PositionHeader)); err != nil || got.Header.Get(schema.PositionHeader) == "" {
			t.Errorf("%s: position %q", c.name, got.Header.Get(schema.PositionHeader))
		}
		if !strings.HasPrefix(got.Body, `{"code":0,"message":"success","data":{"ids":[`) || !strings.Contains(got.Body, `,"accepted":3,"rejected":2,"errors":[{"index":1,"code":40001,"message":`) {
			t.Errorf("%s: order of keys: %s", c.name, got.Body)
		}
		sent += 3
	}
	entries, _ := r.log(4)
	if len(entries) != sent {
		t.Errorf("%d entries in the log, want %d", len(entries), sent)
	}
	unique(t, entries)
}

// unique fails unless every entry has its own id and the ids of a block grow within each partition.
func unique(t *testing.T, entries []entry) map[uint64]entry {
	t.Helper()
	byID := map[uint64]entry{}
	last := map[[2]uint64]uint64{}
	for _, e := range entries {
		if _, twice := byID[e.ID]; twice || e.ID == 0 {
			t.Errorf("id %d twice or none", e.ID)
		}
		byID[e.ID] = e
		block := [2]uint64{uint64(e.Partition), schema.Block(e.ID)}
		if e.ID <= last[block] {
			t.Errorf("id %d comes after %d", e.ID, last[block])
		}
		last[block] = e.ID
	}
	return byID
}

func TestBatchReturnsItsOwnIDs(t *testing.T) {
	r := start(t, 3, nil).ready()
	const n = 2000
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"action_type":"a%d","serial":"s%d"}`+"\n", i, i%57)
	}
	got := r.post(b.String(), "Content-Type", "application/x-ndjson")
	if got.Accepted != n {
		t.Fatalf("accepted %d of %d: %.200s", got.Accepted, n, got.Body)
	}
	entries, values := r.log(3)
	byID := unique(t, entries)
	home := map[string]int{}
	for i, id := range got.IDs {
		e, device := byID[*id], fmt.Sprintf("s%d", i%57)
		if e.Action != fmt.Sprintf("a%d", i) || e.Device != device {
			t.Fatalf("id %d of item %d is %v", *id, i, e)
		}
		if p, ok := home[device]; ok && p != e.Partition {
			t.Fatalf("device %s in partitions %d and %d", device, p, e.Partition)
		}
		home[device] = e.Partition
	}
	for _, v := range values {
		var batch activitypb.ActivityBatch
		if err := schema.DecodeRecord(v, &batch); err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, c := range batch.Chunks {
			size += len(c.Entries)
		}
		if size > schema.MaxRecordEntries || len(v) > schema.MaxRecordBytes {
			t.Errorf("a record of %d entries and %d bytes", size, len(v))
		}
	}
}

func TestBadRequests(t *testing.T) {
	r := start(t, 2, func(c *collector.Config) { c.MaxEntries = 100 }).ready()
	valid := `{"action_type":"a"}`
	big := strings.Repeat(" ", 20<<20)
	bomb := zstdZeros(t, 1<<30)
	for _, c := range []struct {
		name, body string
		headers    []string
		status     int
		code       int
		message    string
	}{
		{"malformed", `{"action_type":`, nil, 400, 40001, "malformed JSON at byte 15"},
		{"empty", "", nil, 400, 40001, "body: must hold an entry"},
		{"empty batch", "[]", nil, 400, 40001, "body: must hold an entry"},
		{"wrong type", `{"action_type":1}`, nil, 400, 40001, "action_type: must be a string"},
		{"missing", `{"platform":"x"}`, nil, 400, 40001, "action_type: is required"},
		{"no good item", `[{},{}]`, nil, 400, 40001, "no entry was accepted"},
		{"nesting", strings.Repeat("[", 10_000), nil, 400, 40001, "malformed JSON"},
		{"nul", "{\"action_type\":\"\x00\"}", nil, 400, 40001, "malformed JSON"},
		{"escaped nul", `{"action_type":"\u0000"}`, nil, 400, 40001, "action_type: must not contain NUL"},
		{"utf-8", "{\"action_type\":\"\xff\"}", nil, 400, 40001, "action_type: must be valid UTF-8"},
		{"duplicate", `{"action_type":"a","action_type":"a"}`, nil, 400, 40001, "action_type: must not be given twice"},
		{"timestamp 0", `{"action_type":"a","timestamp":0}`, nil, 400, 40001, "timestamp: "},
		{"timestamp -5", `{"action_type":"a","timestamp":-5}`, nil, 400, 40001, "timestamp: "},
		{"timestamp 9999", `{"action_type":"a","timestamp":253402300799}`, nil, 400, 40001, "timestamp: "},
		{"timestamp 2^63", `{"action_type":"a","timestamp":9223372036854775808}`, nil, 400, 40001, "timestamp: "},
		{"20 MB", big, nil, 413, 41301, "body: at most 16777216 bytes"},
		{"20 MB gzip", gzipped(t, big), []string{"Content-Encoding", "gzip"}, 413, 41301, "body: at most"},
		{"bomb", bomb, []string{"Content-Encoding", "zstd"}, 413, 41301, "body: "},
		{"long field", `{"action_type":"` + strings.Repeat("x", 2000) + `"}`, nil, 413, 41301, "action_type: at most 1024"},
		{"too many", strings.Repeat(valid+"\n", 101), []string{"Content-Type", "application/x-ndjson"}, 413, 41301, "body: at most 100 entries"},
		{"broken gzip", gzipped(t, valid)[:20], []string{"Content-Encoding", "gzip"}, 400, 40001, "body: ends early"},
		{"not gzip", valid, []string{"Content-Encoding", "gzip"}, 400, 40001, "body: is not gzip"},
		{"not zstd", valid, []string{"Content-Encoding", "zstd"}, 400, 40001, "body: is not zstd"},
		{"encoding", valid, []string{"Content-Encoding", "br"}, 415, 41501, "Content-Encoding: must be"},
		{"xml", valid, []string{"Content-Type", "application/xml"}, 415, 41501, "Content-Type: must be"},
		{"multipart", valid, []string{"Content-Type", "multipart/form-data; boundary=x"}, 415, 41501, "Content-Type: must be"},
		{"form", "a=b", []string{"Content-Type", "application/x-www-form-urlencoded"}, 400, 40001, "malformed JSON"},
		{"key of a batch", "[" + valid + "]", []string{"Idempotency-Key", "k"}, 400, 40001, "Idempotency-Key: "},
		{"long key", valid, []string{"Idempotency-Key", strings.Repeat("k", 1025)}, 413, 41301, "Idempotency-Key: "},
		{"key in Latin-1", valid, []string{"Idempotency-Key", "caf\xe9"}, 400, 40001, "Idempotency-Key: must be valid UTF-8"},
		{"two keys", `{"action_type":"a","event_id":"x"}`, []string{"Idempotency-Key", "k"}, 400, 40001, "event_id: "},
	} {
		got := r.post(c.body, c.headers...)
		if got.Status != c.status || got.Code != c.code || !strings.HasPrefix(got.Message, c.message) {
			t.Errorf("%s: %d %.300s", c.name, got.Status, got.Body)
		}
		if !strings.HasPrefix(got.Body, `{"code":`) || got.Header.Get(schema.PositionHeader) != "" {
			t.Errorf("%s: %.300s, position %q", c.name, got.Body, got.Header.Get(schema.PositionHeader))
		}
	}
	if entries, _ := r.log(2); len(entries) != 0 {
		t.Errorf("%d entries in the log, want none", len(entries))
	}
	if got := r.post(valid); got.Status != 200 {
		t.Errorf("afterwards: %d %s", got.Status, got.Body)
	}
}

// zstdZeros is n zeros, compressed.
func zstdZeros(t *testing.T, n int) string {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for range n >> 20 {
		_, _ = w.Write(block)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestBombsKeepMemoryFlat(t *testing.T) {
	r := start(t, 1, nil).ready()
	bomb := zstdZeros(t, 1<<30)
	var before, after runtime.MemStats
	post := func() {
		if got := r.post(bomb, "Content-Encoding", "zstd"); got.Code != 41301 {
			t.Errorf("%d %.200s", got.Status, got.Body)
		}
	}
	measure := func(m *runtime.MemStats) {
		runtime.GC() // a pool survives one collection
		runtime.GC()
		runtime.ReadMemStats(m)
	}
	post()
	measure(&before)
	for range 5 {
		post()
	}
	measure(&after)
	// Each may read up to the limit of a body, twice that while its buffer grows, before it is refused.
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 5*64<<20 {
		t.Errorf("5 bombs of 1 GiB allocated %d MiB", grown>>20)
	}
	if after.HeapInuse > before.HeapInuse+(8<<20) {
		t.Errorf("heap in use went from %d to %d MiB", before.HeapInuse>>20, after.HeapInuse>>20)
	}
}

func TestAlways200(t *testing.T) {
	r := start(t, 1, func(c *collector.Config) { c.FleetAlways200 = true }).ready()
	got := r.post(`{}`)
	if got.Status != 200 || got.Body != `{"code":40001,"message":"action_type: is required","data":null}` {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

func TestRateLimit(t *testing.T) {
	r := start(t, 1, func(c *collector.Config) { c.RateLimit, c.RateBurst = 2, 3 }).ready()
	for i := range 3 {
		if got := r.post(`{"action_type":"a"}`); got.Status != 200 {
			t.Fatalf("request %d: %d %s", i, got.Status, got.Body)
		}
	}
	got := r.post(`{"action_type":"a"}`)
	if got.Status != 429 || got.Code != 42901 || got.Header.Get("Retry-After") != "1" {
		t.Errorf("%d %s, Retry-After %q", got.Status, got.Body, got.Header.Get("Retry-After"))
	}
	if entries, _ := r.log(1); len(entries) != 3 {
		t.Errorf("%d entries in the log, want 3", len(entries))
	}
}

// A batch beyond the burst is accepted as a whole, and paid for as a whole.
func TestRateLimitOfABatch(t *testing.T) {
	r := start(t, 1, func(c *collector.Config) { c.RateLimit = 10 }).ready()
	batch := strings.Repeat(`{"action_type":"a"}`+"\n", 1000)
	if got := r.post(batch, "Content-Type", "application/x-ndjson"); got.Status != 200 || got.Accepted != 1000 {
		t.Fatalf("%d %.200s", got.Status, got.Body)
	}
	for _, body := range []string{`{"action_type":"a"}`, `[{"action_type":"a"}]`} {
		got := r.post(body)
		after, err := strconv.Atoi(got.Header.Get("Retry-After"))
		if got.Status != 429 || got.Code != 42901 || err != nil || after < 90 || after > 100 {
			t.Errorf("%d %s, Retry-After %d, want about 99 s", got.Status, got.Body, after)
		}
	}
	if status, _, _, text := r.audit("/batch", `[{"action":"a"}]`); status != 429 {
		t.Errorf("in another dialect: %d %s", status, text)
	}
	if entries, _ := r.log(1); len(entries) != 1000 {
		t.Errorf("%d entries in the log, want 1000", len(entries))
	}
}

func TestIdempotency(t *testing.T) {
	r := start(t, 4, nil).ready()
	one := `{"action_type":"a","serial":"s"}`
	first := r.post(one, "Idempotency-Key", "k1")
	if first.Status != 200 {
		t.Fatalf("%d %s", first.Status, first.Body)
	}
	for _, c := range []struct {
		name, body, key string
		status, code    int
		same            bool
	}{
		{"repeat", one, "k1", 200, 0, true},
		{"repeat in other words", ` { "serial":"s","action_type":"\u0061" }`, "k1", 200, 0, true},
		{"repeat by event id", `{"action_type":"a","serial":"s","event_id":"k1"}`, "", 200, 0, true},
		{"another body", `{"action_type":"b","serial":"s"}`, "k1", 422, 42201, false},
		{"another key", one, "k2", 200, 0, false},
		{"no key", one, "", 200, 0, false},
	} {
		var headers []string
		if c.key != "" {
			headers = []string{"Idempotency-Key", c.key}
		}
		got := r.post(c.body, headers...)
		if got.Status != c.status || got.Code != c.code {
			t.Errorf("%s: %d %s", c.name, got.Status, got.Body)
		}
		samePosition := got.Header.Get(schema.PositionHeader) == first.Header.Get(schema.PositionHeader)
		if (got.ID == first.ID) != c.same || (c.same && !samePosition) {
			t.Errorf("%s: id %d at %s, first %d", c.name, got.ID, got.Header.Get(schema.PositionHeader), first.ID)
		}
	}
	batch := r.post(`{"action_type":"a","serial":"s","event_id":"k1"}
{"action_type":"n","event_id":"k9"}
{"action_type":"n","event_id":"k9"}
{"action_type":"other","event_id":"k9"}`, "Content-Type", "application/x-ndjson")
	if batch.Accepted != 3 || batch.Rejected != 1 || *batch.IDs[0] != first.ID || *batch.IDs[1] != *batch.IDs[2] || batch.Errors[0].Code != 42201 {
		t.Errorf("batch: %s", batch.Body)
	}
	entries, values := r.log(4)
	if len(entries) != 4 || len(values) != 4 {
		t.Errorf("%d entries in %d records in the log, want 4 in 4", len(entries), len(values))
	}
	keyed := 0
	for _, e := range entries {
		var x activitypb.Extra
		if err := x.UnmarshalVT(e.Extra); err != nil {
			t.Fatal(err)
		}
		if len(x.EventKey) == 16 && x.BodyHash != 0 {
			keyed++
		}
	}
	if keyed != 3 {
		t.Errorf("%d entries carry an event key, want 3", keyed)
	}
}

func TestConcurrentRepeatsAreOne(t *testing.T) {
	r := start(t, 2, nil).ready()
	const callers = 20
	ids := make(chan uint64, callers)
	for range callers {
		go func() {
			got, err := r.tryPost(`{"action_type":"a"}`, "Idempotency-Key", "k")
			if err != nil || got.Status != 200 {
				t.Errorf("%v %s", err, got.Body)
			}
			ids <- got.ID
		}()
	}
	first := <-ids
	for range callers - 1 {
		if id := <-ids; id != first {
			t.Errorf("ids %d and %d", first, id)
		}
	}
	if entries, _ := r.log(2); len(entries) != 1 {
		t.Errorf("%d entries in the log, want 1", len(entries))
	}
}
