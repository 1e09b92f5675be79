package testbed

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/activitylog/activitylog/deploy/embedded/engine"
)

// enginePassword is the password of the test process's engine, which listens only on loopback.
const enginePassword = "pw"

var (
	openEngine = sync.OnceValues(startEngine)
	databases  atomic.Int64
)

// ClickHouse returns the DSN (http://default:pw@127.0.0.1:port/db) of a new database on the engine of this test process. The engine
// starts with the first call and runs until the process ends, because a process has only one engine.
func ClickHouse(t testing.TB) (dsn string) {
	t.Helper()
	e, err := openEngine()
	if err != nil {
		t.Fatalf("start ClickHouse: %v", err)
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := execute(t.Context(), e, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("make a database: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(context.Background(), e, "DROP DATABASE "+name); err != nil {
			t.Errorf("drop the database: %v", err)
		}
		if err := leaveQuietly(); err != nil {
			t.Error(err)
		}
	})
	return e.DSN(name)
}

func startEngine() (*engine.Engine, error) {
	folder, err := os.MkdirTemp("", "clickhouse-test-")
	if err != nil {
		return nil, fmt.Errorf("make a data folder: %w", err)
	}
	e, err := engine.Open(context.Background(), engine.Config{Addr: "127.0.0.1:0", DataDir: folder, Password: enginePassword, MaxMemory: 4 << 30})
	if err != nil {
		return nil, err
	}
	removeAfter(folder)
	go func() { _ = e.Run(context.Background()) }()
	return e, nil
}

func execute(ctx context.Context, e *engine.Engine, text string) error {
	address := url.URL{Scheme: "http", Host: e.Addr(), User: url.UserPassword("default", enginePassword)}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), strings.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d, ClickHouse error %s", text, res.StatusCode, res.Header.Get("X-ClickHouse-Exception-Code"))
	}
	return nil
}
