package cmd_test

import (
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

var rounds = flag.Int("rounds", 25, "writes and reads of TestReadsShowWhatWasWritten, in each dialect")

// TestReadsShowWhatWasWritten: a script that writes and then reads sees its entry, in every dialect, without a position.
func TestReadsShowWhatWasWritten(t *testing.T) {
	t.Parallel()
	p := standalone(t, "READ_WAIT=20s") // on a machine that is busy with other tests an insert may take longer than the default
	written := 0
	for _, tt := range []struct{ name, write, body, method, read, ask, want string }{
		{"fleet", entries, `{"action_type":"a%d","serial":"d%d"}`, "GET", entries + "?limit=1", "", `"action_type":"a%d"`},
		{"fleet by device", entries, `{"action_type":"a%d","serial":"d%d"}`, "GET", entries + "?serial=d%d", "", `"action_type":"a%d"`},
		{"fleet count", entries, `[{"action_type":"a%d"}]`, "GET", entries + "/count", "", `{"count":%d}`},
		{"access", "/api/v1/activity-logs", `{"action":"a%d"}`, "POST", "/filterActivity", `{"limit":1}`, `"activityType":"a%d"`},
		{"things", "/api/v1/activity-logs", `{"action":"a%d"}`, "GET", "/actionlogs.json?Page=1&ItemsPerPage=1", "", `"a%d"}`},
		{"audit", "/api/v1/activity-logs", `{"action":"a%d","detail":"w%d"}`, "GET", "/api/v1/activity-logs?pageSize=1", "", `"action":"a%d"`},
		{"audit search", "/api/v1/activity-logs", `{"action":"a%d","detail":"w%d"}`, "GET", "/api/v1/activity-logs?search=w%d", "", `"action":"a%d"`},
		{"audit statistics", "/api/v1/activity-logs", `{"action":"a%d"}`, "GET", "/api/v1/activity-logs/stats", "", `"total":%d`},
		{"audit export", "/api/v1/activity-logs", `{"action":"a%d"}`, "GET", "/api/v1/activity-logs/export?action=a%d", "", `"action":"a%d"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var took []time.Duration
			for range *rounds {
				written++
				of := func(text string) string { return strings.ReplaceAll(text, "%d", fmt.Sprint(written)) }
				began := time.Now()
				if status, answer := p.ask(http.MethodPost, tt.write, of(tt.body)); status >= 300 {
					t.Fatalf("POST: got %d %s", status, answer)
				}
				status, answer, _ := p.do(mustRequest(t, tt.method, "http://"+p.addr+of(tt.read), tt.ask))
				took = append(took, time.Since(began))
				if status != http.StatusOK || !strings.Contains(answer, of(tt.want)) {
					t.Errorf("entry %d: got %d %s, want %s; after %v", written, status, answer, of(tt.want), took[len(took)-1])
				}
			}
			slices.Sort(took)
			t.Logf("a write and a read took %v at the median, %v at most", took[len(took)/2], took[len(took)-1])
		})
	}
}
