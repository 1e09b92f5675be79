package clickhouse

import (
	"strings"
	"testing"

	"github.com/activitylog/activitylog/cmd/internal/service"
)

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		dsn, password  string
		addr, db, user string
		word           string
		fault          string
	}{
		{dsn: "http://default@127.0.0.1:8123/default", addr: "127.0.0.1:8123", db: "default", user: "default"},
		{dsn: "https://u:hunter2@h:8443/logs", addr: "h:8443", db: "logs", user: "u", word: "hunter2"},
		{dsn: "http://u:hunter2@h:8123/logs", password: "other", addr: "h:8123", db: "logs", user: "u", word: "other"},
		{dsn: "clickhouse://u:hunter2@h:9000/logs", fault: "want http://"},
		{dsn: "http://u:hunter2@h:port/logs", fault: "CLICKHOUSE_DSN"},
		{dsn: "http:///logs", fault: "host"},
		{dsn: "http://u:hunter2@h:8123/logs?dial_timeout=hunter2", fault: "CLICKHOUSE_DSN"},
	} {
		t.Run(tt.dsn, func(t *testing.T) {
			opts, err := Config{DSN: service.Secret(tt.dsn), Password: service.Secret(tt.password)}.Options()
			if tt.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fault) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("got %v, want %q in it, and no password", err, tt.fault)
				}
				return
			}
			if err != nil {
				t.Fatalf("got %v, want none", err)
			}
			a := opts.Auth
			if secure := opts.TLS != nil; secure != strings.HasPrefix(tt.dsn, "https:") {
				t.Errorf("TLS: got %v", secure)
			}
			if opts.Addr[0] != tt.addr || a.Database != tt.db || a.Username != tt.user || a.Password != tt.word {
				t.Errorf("got %v %+v, want %+v", opts.Addr, a, tt)
			}
		})
	}
}
