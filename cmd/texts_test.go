package cmd_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A text that was cut in the middle of an emoji loses no entry, however it is written, and every API shows it as valid JSON. Details
// are shown byte for byte.
func TestHalfAnEmojiIsStored(t *testing.T) {
	p := standalone(t, "READ_WAIT=20s") // all pages show all, however busy the machine is
	for _, w := range writers {
		body := fmt.Sprintf(w.form, w.detail+`:"well done \ud83d","details":{"text":"nearly \ud83d","\ude00":1}`)
		if status, answer := p.ask(http.MethodPost, w.path, body); status >= 300 {
			t.Fatalf("POST %s %s: %d %s", w.path, body, status, answer)
		}
	}
	n := len(writers)
	p.until(t, "/api/v1/activity-logs/count?search=nearly", 200, fmt.Sprintf(`"count":%d`, n))
	const whole = `"\ude00":1`
	for path, details := range map[string]bool{
		"/api/v1/activity_log":                      false,
		"/api/v1/activity-logs?search=done":         true,
		"/api/v1/activity-logs/export?format=json":  true,
		"/actionlogs.json?Page=1&ItemsPerPage=100":  false,
		"/api/v1/activity_log?search=well&limit=10": false,
		"/filterActivity":                           true,
	} {
		method, body := http.MethodGet, ""
		if path == "/filterActivity" {
			method, body = http.MethodPost, "{}"
		}
		status, answer := p.askAs(method, path, body, "application/json")
		var v any
		if err := json.Unmarshal([]byte(answer), &v); err != nil || status != 200 {
			t.Errorf("%s: %d %s, %v", path, status, answer, err)
			continue
		}
		plain, _ := json.Marshal(v)
		if got := strings.Count(string(plain), "well done \ufffd"); got != n {
			t.Errorf("%s: %s has %d texts, want %d", path, answer, got, n)
		}
		if got := strings.Count(answer, whole); details && got != n {
			t.Errorf("%s: %s has %d details as they were sent, want %d", path, answer, got, n)
		}
	}
}

// askAs sends a body of a type.
func (p *process) askAs(method, path, body, contentType string) (int, string) {
	req, err := http.NewRequest(method, "http://"+p.addr+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Content-Type", contentType)
	status, answer, _ := p.do(req)
	return status, answer
}
