package cmd_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A collector that does not wait for Kafka knows few outcomes. It says so with 504, never 503, and every entry is stored once.
func TestUnknownOutcomesAreStored(t *testing.T) {
	p := standalone(t, "ACK_TIMEOUT=1us")
	const each = 10
	late := 0
	for i := range each {
		for _, w := range writers {
			body := fmt.Sprintf(w.form, fmt.Sprintf(`"username":"n%d"`, i))
			status, answer := p.ask(http.MethodPost, w.path, body)
			switch {
			case status == http.StatusGatewayTimeout && strings.Contains(answer, "may still be kept"):
				late++
			case status != http.StatusOK && status != http.StatusCreated:
				t.Errorf("POST %s: got %d %s", w.path, status, answer)
			}
		}
	}
	if late == 0 {
		t.Error("every outcome was known, so the test has no power")
	}
	p.until(t, "/api/v1/activity_log/count?action_type=s", 200, fmt.Sprintf(`"count":%d`, each*len(writers)))
}
