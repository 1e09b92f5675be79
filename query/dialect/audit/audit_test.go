package audit_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query/backend"
	"github.com/activitylog/activitylog/query/dialect/audit"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api/exchange"
)

const hour = int64(3_600_000)

// storeOf returns the packages that the dialect depends on.
func storeOf(b *backend.Backend) audit.Store {
	return audit.Store{Reads: b, Details: b, Streams: b, Erasures: b, Retentions: b}
}

// entries returns the stored entries of the exchanges in testdata: those of the API's document and those of a device.
func entries() []schema.Entry {
	const march15 = int64(1_710_504_000_000) // 2024-03-15T12:00:00Z
	admin := schema.Entry{ActorID: "abc-123", ActorName: "ana", ActorKind: "ADMIN", Extra: schema.Extra{ActorLabel: "Ana Ruiz", IPAddress: "192.168.1.100", UserAgent: "Mozilla/5.0", Layer: "api"}}
	pay, reverse, login := admin, admin, admin
	pay.Timestamp, pay.Action, pay.RequestID = march15-2*hour, "TICKET_PAY", "req-1"
	pay.Targets = []schema.Target{{Type: "TICKET_PAYMENT", ID: "payment-9", Name: "Invoice <9>"}, {Type: "TICKET", ID: "ticket-456"}}
	pay.Details = `{"created": true, "cached": false, "amount": 50000, "method": "cash"}`
	reverse.Timestamp, reverse.Action, reverse.RequestID = march15-hour, "ACCOUNT_PAYMENT_REVERSE", "req-correlation-id-789"
	reverse.Targets = []schema.Target{{Type: "ACCOUNT", ID: "eu/acc 1%2"}}
	reverse.Details = `{"reason": "Error en monto", "originalAmount": 100000, "originalType": "payment", "reversedAt": "2024-03-15T11:00:00.000Z"}`
	reverse.Detail = "reversal of a payment"
	login.Timestamp, login.Action = march15+11*hour+3_599_999, "USER_LOGIN"
	login.Details = `{"success": true, "method": "password", "ipAddress": "192.168.1.100"}`
	device := schema.Entry{Timestamp: march15 - 3*hour, Platform: "tiktok", Device: "device_serial_123", Action: "post", Detail: "Published video", ActorName: "user123"}
	bare := schema.Entry{Timestamp: march15 + 12*hour, Action: "SYSTEM_START", ActorID: "u-9"}
	all := []schema.Entry{device, pay, reverse, login, bare}
	for i := range all {
		all[i].Tenant, all[i].ID = schema.DefaultTenant, uint64(123+i)
	}
	return append(all, schema.Entry{Tenant: "other", ID: 999, Action: "TICKET_PAY", ActorID: "abc-123", Timestamp: march15})
}

// router serves the dialect from a database.
func router(conn driver.Conn) http.Handler {
	cfg, log := backend.Defaults(), slog.New(slog.DiscardHandler)
	cfg.Query.CursorSecret = "0123456789abcdef"
	r := chi.NewRouter()
	r.Use(identify)
	audit.New(storeOf(backend.New(cfg, conn, nil, log, prometheus.NewRegistry())), log).Routes(r)
	return r
}

// identify replaces authentication: the header Authorization has roles, optionally followed by @ and a tenant. Without it, the
// caller is an administrator of the default tenant.
func identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		p := schema.Anonymous()
		switch roles := r.Header.Get("Authorization"); roles {
		case "":
			ctx = schema.WithPrincipal(ctx, p)
		case "none":
			ctx = schema.WithRefusal(ctx, &schema.Refusal{Kind: schema.ErrUnauthenticated, Issue: "credentials are missing"})
		default:
			roles, tenant, ok := strings.Cut(roles, "@")
			if ok {
				p.Tenant = tenant
			}
			p.Roles = strings.Split(roles, ",")
			ctx = schema.WithPrincipal(ctx, p)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// TestExchanges replays testdata/*.http.
func TestExchanges(t *testing.T) {
	files, err := filepath.Glob("testdata/*.http")
	if err != nil || len(files) == 0 {
		t.Fatalf("no exchanges: %v", err)
	}
	db := fixture.Open(t, testbed.ClickHouse(t))
	db.Put(t, entries()...)
	h := router(db.Conn)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".http"), func(t *testing.T) { replay(t, h, file) })
	}
}

// TestOutage replays testdata/outage/outage.http while ClickHouse is unreachable.
func TestOutage(t *testing.T) {
	conn, err := clickhouse.Open(&clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	replay(t, router(conn), "testdata/outage/outage.http")
}

func replay(t *testing.T, h http.Handler, file string) {
	t.Helper()
	exchange.Replay{
		Handler: h,
		Headers: []string{"Content-Type", "Allow", "Retry-After", "WWW-Authenticate"},
		Varies: map[string]*regexp.Regexp{
			"next":    regexp.MustCompile(`"nextCursor":"([^"]+)"`),
			"later":   regexp.MustCompile(`"later":\{.*"nextCursor":"([^"{]+)"`),
			"time":    regexp.MustCompile(`"receivedAt":"([^"]+)"`),
			"request": regexp.MustCompile(`"requestId":"([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})",`),
		},
	}.File(t, file)
}

// TestDeepPages reads a listing that no rollup counts by page number, beyond the pages that page hints cover.
func TestDeepPages(t *testing.T) {
	db := fixture.Open(t, testbed.ClickHouse(t))
	many := make([]schema.Entry, 2400)
	for i := range many {
		many[i] = schema.Entry{Tenant: schema.DefaultTenant, ID: uint64(i + 1), Timestamp: 1_710_504_000_000 + int64(i/7)*hour/50, Action: "a", Device: "d", Platform: "p"}
	}
	db.Put(t, many...)
	h := router(db.Conn)
	next := uint64(len(many))
	for number := 1; number <= 7; number++ { // the last page is after the end
		w := ask(h, http.MethodGet, fmt.Sprintf("/api/v1/activity-logs?serial=d&platform=p&pageSize=400&page=%d", number), "", "")
		var page struct {
			Data []struct{ ID uuid.UUID }
			Meta struct {
				TotalItems, TotalPages   int
				HasNextPage, HasPrevPage bool
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != http.StatusOK {
			t.Fatalf("page %d: %d, %v, %.200s", number, w.Code, err, w.Body)
		}
		if m := page.Meta; m.TotalItems != len(many) || m.TotalPages != 6 || m.HasNextPage != (number < 6) || m.HasPrevPage != (number > 1) {
			t.Errorf("page %d: got %+v", number, m)
		}
		for _, e := range page.Data {
			if want := schema.UUID(next); e.ID != want {
				t.Fatalf("page %d: got %s, want %s", number, e.ID, want)
			}
			next--
		}
	}
	if next != 0 {
		t.Errorf("%d entries were not shown", next)
	}
}
