package identity

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/cmd/internal/identity/apikey"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// run runs i as a process does, and waits until it is ready.
func run(t *testing.T, i *Identity) {
	t.Helper()
	p := service.NewProcess(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err := p.Start(t.Context(), i.Part()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Drain(); err != nil {
			t.Error(err)
		}
	})
	if !p.AwaitReady(t.Context()) {
		t.Fatal("not ready")
	}
}

func TestKeys(t *testing.T) {
	broker := testbed.Kafka(t, 1)
	topic := apikey.Topic{Client: broker.Client(), Name: schemakafka.Keys(broker.Topic())}
	create := func(k apikey.Key) (id, text string) {
		k.Tenant, k.Scopes = "acme", []schema.Scope{schema.ScopeRead}
		k, text = apikey.New(k)
		if err := topic.Put(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		return k.ID, text
	}
	id, good := create(apikey.Key{Roles: []string{"AccessAdmin"}, Expires: time.Now().Add(time.Hour)})
	_, second := create(apikey.Key{})
	_, slow := create(apikey.Key{Rate: 0.001})
	_, revoked := create(apikey.Key{Revoked: time.Now()})
	_, expired := create(apikey.Key{Expires: time.Now().Add(-time.Second)})
	_, stranger := apikey.New(apikey.Key{Tenant: "acme"})
	secretOf := func(text string) string { return text[strings.LastIndexByte(text, '.'):] }

	i := New(Config{Auth: "keys"}, topic, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if _, err := asked(i, bearer(t, good)); api.Status(err) != 503 || api.RetryAfter(err) == 0 {
		t.Errorf("before the topic was read: got %v, want unavailable", err)
	}
	if err := i.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), topic.Name) {
		t.Errorf("before the topic was read: ready says %v, want the topic", err)
	}
	run(t, i)
	for _, tt := range []struct {
		name, text string
		status     int
		says       string
	}{
		{"good", good, 200, ""},
		{"the tenant's second", second, 200, ""},
		{"revoked", revoked, 401, "revoked"},
		{"revoked, wrong secret", strings.TrimSuffix(revoked, secretOf(revoked)) + secretOf(good), 401, "not known"},
		{"expired", expired, 401, "expired"},
		{"wrong secret", strings.TrimSuffix(good, secretOf(good)) + secretOf(second), 401, "not known"},
		{"unknown", stranger, 401, "not known"},
		{"cut", good[:len(good)-1], 401, "not known"},
		{"a token, which is not taken", signed(t, claims(nil)), 401, "of this kind"},
		{"nothing", "", 401, ""},
		{"within its rate", slow, 200, ""},
		{"beyond its rate", slow, 429, ""},
	} {
		for _, headers := range [][]string{{"Authorization", "Bearer " + tt.text}, {"X-API-Key", tt.text}} {
			if strings.HasSuffix(tt.name, "its rate") && headers[0] != "X-API-Key" {
				continue
			}
			p, err := asked(i, request(t, "/", headers...))
			if status, challenge := outcome(err); status != tt.status || !strings.Contains(challenge, tt.says) {
				// X-API-Key always holds a key, whatever it looks like
				if tt.says != "of this kind" || headers[0] != "X-API-Key" || status != 401 {
					t.Errorf("%s, %s: got %d %s, want %d %q", tt.name, headers[0], status, challenge, tt.status, tt.says)
				}
			}
			if tt.name == "good" && (p.Tenant != "acme" || p.Subject != "key:"+id || !p.HasRole("AccessAdmin") || p.Require(schema.ScopeRead) != nil || p.Require(schema.ScopeIngest) == nil) {
				t.Errorf("got %+v", p)
			}
			if tt.status == 429 && api.RetryAfter(err) < time.Minute {
				t.Errorf("beyond its rate: got Retry-After %v, want most of 1000 s", api.RetryAfter(err))
			}
		}
	}
}
