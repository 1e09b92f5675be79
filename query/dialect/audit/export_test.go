package audit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/dialect/audit"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
)

const exportPath = "/api/v1/activity-logs/export?"

// large returns a table of two tenants with some entries erased, and the ids that are left, oldest first.
func large(t testing.TB, rows int) (db *fixture.Database, left []string) {
	t.Helper()
	db = fixture.Open(t, testbed.ClickHouse(t))
	odd := entries()
	for i, text := range []string{"=1+1", "+1", "-1", "@x", "\tx", "\rx", "a,\"b\"\nc\r\n", `\.`, " <&> ", "é😀"} {
		odd = append(odd, schema.Entry{
			Tenant: schema.DefaultTenant, ID: uint64(1<<40 + i), Timestamp: 1_707_724_800_000 + int64(i)*hour, Action: text, Device: text, ActorID: text, ActorName: text,
			Detail: text, Details: "{\n\"x\":\"<&>\"}", RequestID: text, Targets: []schema.Target{{Type: text, ID: text, Name: text}}, Extra: schema.Extra{IPAddress: text, Layer: text},
		})
	}
	db.Put(t, odd...)
	db.Fill(t, 1_707_724_800_000, rows, 5)
	if err := db.Erase(t.Context(), "tenant = 'default' AND action = 'action7' AND device = 'device1'"); err != nil {
		t.Fatal(err)
	}
	rs, err := db.Conn.Query(t.Context(), "SELECT id FROM activity WHERE tenant = 'default' ORDER BY timestamp, id")
	if err != nil {
		t.Fatal(err)
	}
	defer rs.Close()
	for rs.Next() {
		var id uint64
		if err := rs.Scan(&id); err != nil {
			t.Fatal(err)
		}
		left = append(left, schema.UUID(id).String())
	}
	return db, left
}

// over serves the dialect from a connection.
func over(conn driver.Conn) http.Handler {
	cfg, log := backend.Defaults(), slog.New(slog.DiscardHandler)
	cfg.Query.CursorSecret = "0123456789abcdef"
	r := chi.NewRouter()
	r.Use(identify)
	audit.New(storeOf(backend.New(cfg, conn, nil, log, prometheus.NewRegistry())), log).Routes(r)
	return r
}

// get returns the header and the body of an export, and checks the trailers.
func get(t testing.TB, server, parameters string) (http.Header, []byte) {
	t.Helper()
	res := request(t, server, parameters)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", parameters, res.StatusCode, err)
	}
	if sum := sha256.Sum256(body); res.Trailer.Get(audit.ExportSHA256) != hex.EncodeToString(sum[:]) {
		t.Errorf("%s: the checksum is not the body's: %v", parameters, res.Trailer)
	}
	res.Header.Set(audit.ExportRows, res.Trailer.Get(audit.ExportRows))
	return res.Header, body
}

func request(t testing.TB, server, parameters string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server+exportPath+parameters, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// items returns the items of NDJSON.
func items(t testing.TB, body []byte) (all []map[string]any) {
	t.Helper()
	for line := range bytes.Lines(body) {
		var it map[string]any
		if err := json.Unmarshal(line, &it); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, it)
	}
	return all
}

func idsOf(all []map[string]any) []string {
	out := make([]string, len(all))
	for i, it := range all {
		out[i] = it["id"].(string)
	}
	return out
}

// TestExport exports a large table in every format. Each format has every entry that is left, once, in order, with equal fields.
func TestExport(t *testing.T) {
	db, left := large(t, 100_000) // more than one block of the engine
	server := httptest.NewServer(over(db.Conn))
	t.Cleanup(server.Close)

	h, body := get(t, server.URL, "")
	want := items(t, body)
	if got := idsOf(want); !slices.Equal(got, left) {
		t.Fatalf("ndjson: %d entries, not the %d that are left, oldest first", len(got), len(left))
	}
	if got, want := h.Get(audit.ExportRows), fmt.Sprint(len(left)); got != want {
		t.Errorf("%s: got %s, want %s", audit.ExportRows, got, want)
	}
	if got := h.Get("Content-Type") + " " + h.Get("Content-Disposition"); got != `application/x-ndjson attachment; filename="activity-logs.ndjson"` {
		t.Errorf("headers: got %s", got)
	}
	t.Run("as listed", func(t *testing.T) {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/activity-logs?sort=createdAt:asc&pageSize=1000", nil)
		w := httptest.NewRecorder()
		over(db.Conn).ServeHTTP(w, req)
		var page struct{ Data []map[string]any }
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(page.Data, want[:1000]); diff != "" {
			t.Errorf("the first page (-listed +exported):\n%s", diff)
		}
	})
	t.Run("json", func(t *testing.T) {
		_, array := get(t, server.URL, "format=json")
		if !json.Valid(array) {
			t.Error("it is not JSON")
		}
		text := strings.TrimSuffix(strings.TrimPrefix(string(array), "[\n"), "]\n")
		if strings.ReplaceAll(text, ",\n", "\n") != string(body) {
			t.Error("json has other items than ndjson")
		}
	})
	t.Run("csv", func(t *testing.T) {
		_, body := get(t, server.URL, "format=csv")
		records, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
		if err != nil || len(records) != len(want)+1 {
			t.Fatalf("got %d records, %v", len(records), err)
		}
		for i, it := range want {
			if records[i+1][0] != it["id"] {
				t.Fatalf("record %d: got %s, want %s", i+1, records[i+1][0], it["id"])
			}
			if !looked(i, it) {
				continue
			}
			if got, want := records[i+1], cells(t, records[0], it, records[i+1]); !slices.Equal(got, want) {
				t.Fatalf("record %d: got %q, want %q", i+1, got, want)
			}
		}
	})
	t.Run("parquet", func(t *testing.T) {
		_, body := get(t, server.URL, "format=parquet")
		checkParquet(t, body, want)
		checkParquetElsewhere(t, db, body, want)
	})
	t.Run("filtered", func(t *testing.T) {
		_, body := get(t, server.URL, "platform=platform3&action=action5&startDate=2024-02-20&endDate=2024-02-25")
		want := slices.DeleteFunc(slices.Clone(want), func(it map[string]any) bool {
			return it["platform"] != "platform3" || it["action"] != "action5" || it["createdAt"].(string) < "2024-02-20" || it["createdAt"].(string) >= "2024-02-26"
		})
		if got := idsOf(items(t, body)); len(got) == 0 || !slices.Equal(got, idsOf(want)) {
			t.Errorf("got %d entries, want %d", len(got), len(want))
		}
	})
	t.Run("continued", func(t *testing.T) { continued(t, server.URL, want) })
}

// cells returns the expected CSV cells of an item; for cells with JSON, the cell of got if it is equal JSON.
func cells(t *testing.T, header []string, it map[string]any, got []string) []string {
	out := make([]string, len(header))
	for i, name := range header {
		switch v := it[name].(type) {
		case nil:
		case string:
			out[i] = strings.ReplaceAll(v, "\r\n", "\n") // as Go's CSV reader does
			if v != "" && strings.Contains("=+-@\t\r", v[:1]) {
				out[i] = "'" + out[i]
			}
		default:
			var same any
			if err := json.Unmarshal([]byte(got[i]), &same); err != nil || !reflect.DeepEqual(same, v) {
				t.Errorf("%s: got %s, %v, want %v", name, got[i], err, v)
			}
			out[i] = got[i]
		}
	}
	return out
}

// looked selects the items whose fields are all compared: the unusual ones, and some others.
func looked(i int, it map[string]any) bool {
	return i%2000 == 0 || !strings.HasPrefix(it["action"].(string), "action")
}

// checkParquet checks that a file has the items.
func checkParquet(t *testing.T, body []byte, want []map[string]any) {
	t.Helper()
	file, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	createdAt, _ := file.Schema().Lookup("createdAt")
	if got := createdAt.Node.Type().String(); got != "TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS)" {
		t.Errorf("createdAt: got %s", got)
	}
	if len(file.RowGroups()) < 2 {
		t.Errorf("got %d row groups, want several", len(file.RowGroups()))
	}
	ids, err := parquet.Read[struct {
		ID string `parquet:"id"`
	}](bytes.NewReader(body), int64(len(body)))
	if err != nil || len(ids) != len(want) {
		t.Fatalf("got %d rows, %v, want %d", len(ids), err, len(want))
	}
	r := parquet.NewReader(file)
	defer r.Close()
	for i, it := range want {
		if ids[i].ID != it["id"] {
			t.Fatalf("row %d: got %s, want %s", i, ids[i].ID, it["id"])
		}
		if !looked(i, it) {
			continue
		}
		got := map[string]any{}
		if err := errors.Join(r.SeekToRow(int64(i)), r.Read(&got)); err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
		if got := sameItem(t, got); !reflect.DeepEqual(got, it) {
			t.Fatalf("row %d: got %#v, want %#v", i, got, it)
		}
	}
}

// checkParquetElsewhere checks that ClickHouse's reader, which shares no code with the library that wrote the file, reads the same.
func checkParquetElsewhere(t *testing.T, db *fixture.Database, body []byte, want []map[string]any) {
	t.Helper()
	const table = `CREATE TABLE parquet (id String, action String, createdAt DateTime64(3, 'UTC'), userId Nullable(String),
details Nullable(String), "user" Tuple(username Nullable(String)), targets Array(Tuple("type" String, id String))) ENGINE = Memory`
	if err := db.Conn.Exec(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	address := "http://" + db.Options.Addr[0] + "/?" + url.Values{"database": {db.Options.Auth.Database}, "query": {"INSERT INTO parquet FORMAT Parquet"}}.Encode()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(db.Options.Auth.Username, db.Options.Auth.Password)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("ClickHouse does not read it: %s %s, %v", res.Status, text, err)
	}
	rows, err := db.Conn.Query(t.Context(), "SELECT id, action, createdAt, userId, details, user.username, length(targets) FROM parquet ORDER BY createdAt, id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var found []map[string]any
	for rows.Next() {
		var id, action string
		var at time.Time
		var userID, details, username *string
		var targets uint64
		if err := rows.Scan(&id, &action, &at, &userID, &details, &username, &targets); err != nil {
			t.Fatal(err)
		}
		found = append(found, map[string]any{
			"id": id, "action": action, "createdAt": at.Format("2006-01-02T15:04:05.000Z"), "userId": userID, "details": details,
			"username": username, "targets": int(targets),
		})
	}
	if err := rows.Err(); err != nil || len(found) != len(want) {
		t.Fatalf("ClickHouse finds %d entries, %v, want %d", len(found), err, len(want))
	}
	for i, it := range want {
		if got, want := sameDetails(found[i]), elsewhere(it); !reflect.DeepEqual(got, want) {
			t.Fatalf("row %d: ClickHouse finds %v, want %v", i, got, want)
		}
	}
}

// elsewhere returns the part of an item that checkParquetElsewhere reads.
func elsewhere(it map[string]any) map[string]any {
	user, _ := it["user"].(map[string]any)
	targets, _ := it["targets"].([]any)
	return map[string]any{
		"id": it["id"], "action": it["action"], "createdAt": it["createdAt"], "userId": it["userId"], "details": it["details"],
		"username": user["username"], "targets": len(targets),
	}
}

// sameDetails replaces pointers by their values and details by parsed JSON.
func sameDetails(found map[string]any) map[string]any {
	for name, v := range found {
		text, ok := v.(*string)
		switch {
		case !ok:
		case text == nil:
			found[name] = nil
		case name == "details":
			var details any
			_ = json.Unmarshal([]byte(*text), &details) // text that is not JSON will not be equal
			found[name] = details
		default:
			found[name] = *text
		}
	}
	return found
}

// sameItem returns a Parquet row in the form of the JSON item.
func sameItem(t *testing.T, row map[string]any) map[string]any {
	t.Helper()
	row["createdAt"] = time.UnixMilli(row["createdAt"].(int64)).UTC().Format("2006-01-02T15:04:05.000Z")
	if text, ok := row["details"].(string); ok {
		var details any
		if err := json.Unmarshal([]byte(text), &details); err != nil {
			t.Fatal(err)
		}
		row["details"] = details
	}
	for _, name := range []string{"platform", "serial", "username", "tenant", "targets"} {
		if list, ok := row[name].([]any); row[name] == nil || ok && len(list) == 0 {
			delete(row, name)
		}
	}
	text, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	var same map[string]any
	if err := json.Unmarshal(text, &same); err != nil {
		t.Fatal(err)
	}
	return same
}

// continued reads an export in two parts and checks that together they have the same text.
func continued(t *testing.T, server string, want []map[string]any) {
	at := want[len(want)/2]
	after := "&after=" + url.QueryEscape(at["createdAt"].(string)+","+at["id"].(string))
	for _, format := range []string{"ndjson", "csv", "json"} {
		late := "startDate=" + want[len(want)*49/100]["createdAt"].(string) + "&endDate=" + want[len(want)*51/100]["createdAt"].(string) + "&format=" + format
		h, whole := get(t, server, late)
		_, rest := get(t, server, late+after+"&snapshot="+url.QueryEscape(h.Get(audit.ExportSnapshot)))
		if !bytes.HasSuffix(whole, rest) {
			t.Errorf("%s: the rest is not the end of the whole", format)
		}
		if before := whole[:len(whole)-len(rest)]; !bytes.Contains(before[bytes.LastIndexByte(before[:len(before)-1], '\n')+1:], []byte(at["id"].(string))) {
			t.Errorf("%s: the rest does not begin after %s", format, at["id"])
		}
	}
}

// TestExportNeedsAdmin exports with the role but without the scope.
func TestExportNeedsAdmin(t *testing.T) {
	db := fixture.Open(t, testbed.ClickHouse(t))
	p := schema.Anonymous()
	p.Scopes = []schema.Scope{schema.ScopeRead}
	cfg, log := backend.Defaults(), slog.New(slog.DiscardHandler)
	r := chi.NewRouter()
	audit.New(storeOf(backend.New(cfg, db.Conn, nil, log, prometheus.NewRegistry())), log).Routes(r)
	w := httptest.NewRecorder()
	req := httptest.NewRequestWithContext(schema.WithPrincipal(t.Context(), p), http.MethodGet, exportPath, nil)
	if r.ServeHTTP(w, req); w.Code != http.StatusForbidden {
		t.Errorf("got %d, want forbidden", w.Code)
	}
}

// TestExportEndsWithItsClient checks that a query ends when its client has disconnected.
func TestExportEndsWithItsClient(t *testing.T) {
	db, _ := large(t, 100_000)
	server := httptest.NewServer(over(db.Conn))
	t.Cleanup(server.Close)
	for range 5 { // more than the limit
		ctx, cancel := context.WithCancel(t.Context())
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+exportPath, nil)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(res.Body, make([]byte, 100)); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%d, %v", res.StatusCode, err)
		}
		cancel()
		_ = res.Body.Close()
		await(t, func() bool {
			var n uint64
			const running = "SELECT count() FROM system.processes WHERE query LIKE '%transform(kpart%' AND query NOT LIKE '%processes%' AND current_database = currentDatabase()"
			if err := db.Conn.QueryRow(t.Context(), running).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n == 0
		})
		await(t, func() bool { // it no longer counts towards the limit
			res := request(t, server.URL, "userId=nobody")
			defer res.Body.Close()
			return res.StatusCode == http.StatusOK
		})
	}
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestExportBreaksOff stops ClickHouse during an export. The client must see that the body is incomplete.
func TestExportBreaksOff(t *testing.T) {
	dsn := testbed.ClickHouse(t)
	at, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	between := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", at.Host }})
	t.Cleanup(between.Close)
	db := fixture.Open(t, dsn)
	db.Fill(t, 1_707_724_800_000, 200_000, 5)
	opts := *db.Options
	opts.Addr = []string{between.Listener.Addr().String()}
	opts.DialContext = func(ctx context.Context, addr string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}
	conn, err := clickhouse.Open(&opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	server := httptest.NewServer(over(conn))
	t.Cleanup(server.Close)
	res := request(t, server.URL, "format=json")
	defer res.Body.Close()
	if _, err := io.ReadFull(res.Body, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	between.CloseClientConnections()
	between.Close()
	rest, err := io.ReadAll(res.Body)
	if err == nil || len(res.Trailer.Get(audit.ExportRows)) > 0 || bytes.HasSuffix(rest, []byte("]\n")) {
		t.Errorf("got %v, %d bytes, trailers %v: want an error", err, len(rest), res.Trailer)
	}
}

// BenchmarkExport exports ACTIVITY_BENCH_ROWS entries (1 M) in 20 parts in each format, and prints the peak memory of the query in
// the engine and the peak of this process's heap.
func BenchmarkExport(b *testing.B) {
	rows := 1_000_000
	if n, err := strconv.Atoi(os.Getenv("ACTIVITY_BENCH_ROWS")); err == nil {
		rows = n
	}
	db := fixture.Open(b, testbed.ClickHouse(b))
	db.Fill(b, 1_707_724_800_000, rows, 20)
	server := httptest.NewServer(over(db.Conn))
	b.Cleanup(server.Close)
	for _, format := range []string{"ndjson", "csv", "json", "parquet"} {
		b.Run(format, func(b *testing.B) {
			runtime.GC()
			ctx, cancel := context.WithCancel(b.Context())
			var watching sync.WaitGroup
			var engine, heap uint64
			watching.Go(func() { engine, heap = watch(ctx, db) })
			for b.Loop() {
				res := request(b, server.URL, "format="+format)
				n, err := io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if err != nil || res.Trailer.Get(audit.ExportRows) != strconv.Itoa(rows) {
					b.Fatalf("%v, trailers %v", err, res.Trailer)
				}
				b.SetBytes(n)
			}
			cancel()
			watching.Wait()
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
			b.ReportMetric(float64(engine>>20), "engine-MB")
			b.ReportMetric(float64(heap>>20), "heap-MB")
		})
	}
}

// watch measures the memory of an export's query and of the heap every 10 ms.
func watch(ctx context.Context, db *fixture.Database) (engine, heap uint64) {
	const peak = "SELECT toUInt64(max(peak_memory_usage)) FROM system.processes WHERE query LIKE '%transform(kpart%' AND query NOT LIKE '%processes%'"
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		var n uint64
		if db.Conn.QueryRow(context.WithoutCancel(ctx), peak).Scan(&n) == nil {
			engine = max(engine, n)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		heap = max(heap, m.HeapInuse)
		<-tick.C
	}
	return engine, heap
}
