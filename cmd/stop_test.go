package cmd_test

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Everything that standalone has accepted is in the engine when the process has ended, including entries that waited for a larger batch.
func TestStandaloneStoresWhatItAcceptedBeforeItEnds(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := start(t, []string{"DATA_DIR=" + data}, "standalone")
	p.until(t, "/readyz", 200, `"status":"ready"`)
	batch := "[" + strings.Repeat(`{"action_type":"late"},`, 49) + `{"action_type":"late"}]`
	for range 20 {
		if status, body := p.ask(http.MethodPost, entries, batch); status != 200 {
			t.Fatalf("POST: got %d %s, want 200", status, body)
		}
	}
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("SIGTERM: got exit %d, want 0", code)
	}
	engine := freeAddr(t)
	e := start(t, []string{"DATA_DIR=" + data, "ENGINE_ADDR=" + engine, "CLICKHOUSE_PASSWORD=secret"}, "standalone", "--only=engine")
	e.until(t, "/readyz", 200, "ready")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+engine+"/", strings.NewReader("SELECT count() FROM activity"))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("default", "secret")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); err != nil || strings.TrimSpace(string(got)) != "1000" {
		t.Errorf("got %q, %v, want 1000 entries", got, err)
	}
}
