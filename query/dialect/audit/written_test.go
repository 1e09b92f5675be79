package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/ingest/collector"
	"github.com/activitylog/activitylog/ingest/consumer"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/dialect/audit"
	"github.com/activitylog/activitylog/query/dialect/fleet"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
)

// TestFleetWritesAreReadHere writes an entry through the fleet dialect and reads it here at once, on one router for both.
func TestFleetWritesAreReadHere(t *testing.T) {
	h := standalone(t, time.Minute)
	const text = `{"platform":"tiktok","serial":"d/1","action_type":"post","action_detail":"Published video","username":"user123","timestamp":1707725000,"details":{"likes":7}}`
	written := ask(h, http.MethodPost, "/api/v1/activity_log", text, "")
	position := written.Header().Get(schema.PositionHeader)
	var fleets struct {
		Data struct {
			ID uint64 `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(written.Body.Bytes(), &fleets); err != nil || written.Code != http.StatusOK || position == "" {
		t.Fatalf("write: %d, %v, %s", written.Code, err, written.Body)
	}
	want := fmt.Sprintf(`{"id":"%s","userId":null,"user":{"id":null,"username":"user123","name":null,"role":null},"action":"post",`+
		`"targetType":"DEVICE","targetId":"d/1","details":{"likes":7,"detail":"Published video"},"ipAddress":null,"userAgent":null,"layer":null,`+
		`"requestId":null,"createdAt":"2024-02-12T08:03:20.000Z","platform":"tiktok","serial":"d/1","username":"user123"}`, schema.UUID(fleets.Data.ID))
	const path = "/api/v1/activity-logs"
	for _, target := range []string{
		"/" + schema.UUID(fleets.Data.ID).String(), "", "/target/DEVICE/d%2F1", "/action/post?username=user123", "?targetType=DEVICE&targetId=d/1", "?serial=d/1&search=video",
	} {
		got := ask(h, http.MethodGet, path+target, "", position)
		if body, _ := withoutReceipt(got.Body.String()); got.Code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: got %d, %s, want %s", target, got.Code, got.Body, want)
		}
	}
	if got := ask(h, http.MethodGet, path+"/count?position="+position, "", ""); got.Body.String() != `{"success":true,"data":{"count":1}}` {
		t.Errorf("count: got %d, %s", got.Code, got.Body)
	}
	if got := ask(h, http.MethodPut, "/api/v1/activity_log", "", ""); got.Code != http.StatusMethodNotAllowed || !strings.Contains(got.Body.String(), `"code":40501`) {
		t.Errorf("the fleet dialect's own fault: got %d, %s", got.Code, got.Body)
	}
}

// TestWholeEntries writes an entry with all fields and reads it back.
func TestWholeEntries(t *testing.T) {
	h := standalone(t, time.Minute)
	const text = `{"action":"TICKET_PAY","timestamp":"2024-03-15T10:00:00.123Z","userId":"abc-123","user":{"username":"ana","name":"Ana Ruiz","kind":"business"},` +
		`"targets":[{"type":"TICKET","id":"ticket/456","name":"Lunch"},{"type":"USER","id":"7"}],"detail":"paid at the counter","details":{"amount":50000},` +
		`"platform":"web","serial":"SN-1","ipAddress":"192.168.1.100","userAgent":"Mozilla/5.0","requestId":"req-9","layer":"api"}`
	written := ask(h, http.MethodPost, "/api/v1/activity-logs", text, "")
	var entry struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(written.Body.Bytes(), &entry); err != nil || written.Code != http.StatusCreated {
		t.Fatalf("write: %d, %v, %s", written.Code, err, written.Body)
	}
	want := `{"success":true,"data":{"id":"` + entry.Data.ID + `","userId":"abc-123","user":{"id":"abc-123","username":"ana","name":"Ana Ruiz","role":"business"},` +
		`"action":"TICKET_PAY","targetType":"TICKET","targetId":"ticket/456","details":{"amount":50000,"detail":"paid at the counter"},` +
		`"ipAddress":"192.168.1.100","userAgent":"Mozilla/5.0","layer":"api","requestId":"req-9","createdAt":"2024-03-15T10:00:00.123Z",` +
		`"platform":"web","serial":"SN-1","username":"ana",` +
		`"targets":[{"type":"TICKET","id":"ticket/456","name":"Lunch"},{"type":"USER","id":"7","name":null}]}}`
	got := ask(h, http.MethodGet, "/api/v1/activity-logs/"+entry.Data.ID, "", written.Header().Get(schema.PositionHeader))
	body, received := withoutReceipt(got.Body.String())
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("status %d (-want +got):\n%s", got.Code, diff)
	}
	if at, err := time.Parse(time.RFC3339, received); err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("received: got %q, %v", received, err)
	}
	for _, target := range []string{
		"target/TICKET/ticket%2F456", "target/USER/7", "target/DEVICE/SN-1", "user/abc-123", "action/TICKET_PAY",
		"count?requestId=req-9&search=counter&platform=web&serial=SN-1&username=ana&startDate=2024-03-15T10:00:00.123Z&endDate=2024-03-15T10:00:00.123Z",
	} {
		got := ask(h, http.MethodGet, "/api/v1/activity-logs/"+target, "", "").Body.String()
		if !strings.Contains(got, `"total":1,`) && !strings.Contains(got, `"count":1`) {
			t.Errorf("%s: got %s, want the entry", target, got)
		}
	}
	if got := ask(h, http.MethodPut, "/api/v1/activity-logs", "", "").Header().Get("Allow"); got != "GET, HEAD, POST, DELETE" {
		t.Errorf("allowed on a router that both halves share: got %q", got)
	}
}

var receipt = regexp.MustCompile(`"receivedAt":"([^"]+)",`)

// withoutReceipt is an answer without the time when the entry was received, and that time.
func withoutReceipt(body string) (rest, received string) {
	if found := receipt.FindStringSubmatch(body); found != nil {
		received = found[1]
	}
	return receipt.ReplaceAllString(body, ""), received
}

// TestLateWrite waits for a position that is never stored.
func TestLateWrite(t *testing.T) {
	h := standalone(t, 50*time.Millisecond)
	for _, target := range []string{"", "/count", "/00000000-0001-803b-8000-00000000616c"} {
		got := ask(h, http.MethodGet, "/api/v1/activity-logs"+target, "", "p0:1000")
		if got.Code != http.StatusGatewayTimeout || !strings.Contains(got.Body.String(), `"success":false`) {
			t.Errorf("%s: got %d, %s, want 504", target, got.Code, got.Body)
		}
	}
}

// standalone is everything between a write through the fleet dialect and a read. A read waits for a write for up to wait.
func standalone(t *testing.T, wait time.Duration) http.Handler {
	t.Helper()
	b, db, log := testbed.Kafka(t, 2), fixture.Open(t, testbed.ClickHouse(t)), slog.New(slog.DiscardHandler)
	client, reg := b.Client(), prometheus.NewRegistry()
	stores := consumer.Defaults()
	stores.Topic, stores.Brokers, stores.ClickHouse = b.Topic(), []string{b.Addr()}, db.Options
	background(t, consumer.New(stores, client, log, reg).Run)
	takes := collector.Defaults()
	takes.Topic = b.Topic()
	writes := collector.New(takes, client, log, reg)
	background(t, writes.Run)
	reads := backend.Defaults()
	reads.Stored.Topic, reads.Stored.WaitMax = b.Topic(), wait
	store := backend.New(reads, db.Conn, client, log, reg)
	background(t, store.Run)
	for deadline := time.Now().Add(time.Minute); writes.Ready(t.Context()) != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the collector does not become ready")
		}
	}
	r := chi.NewRouter()
	r.Use(identify)
	writes.Routes(r)
	fleet.New(store, store, fleet.Config{}, log).Routes(r)
	audit.New(storeOf(store), log).Routes(r)
	return r
}

func background(t *testing.T, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func ask(h http.Handler, method, target, body, position string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set(schema.PositionHeader, position)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
