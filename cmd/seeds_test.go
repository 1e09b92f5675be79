package cmd_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api/exchange"
)

// The documents that define the four dialects show requests and responses. A new process with only the entries of those documents must
// answer the same. What cannot be equal is a placeholder in the files: ids, positions, tokens.
func TestSeeds(t *testing.T) {
	p := standalone(t, "READ_WAIT=20s") // the documents read at once what they wrote; this machine may be busy
	replay := func(name string) {
		exchange.Replay{Handler: p.handler(), Headers: []string{"Content-Type", schema.PositionHeader}, Varies: seeded}.File(t, "testdata/seeds/"+name+".http")
	}
	for _, language := range []string{"en", "nl"} {
		replay("fleet-" + language + "-1")
		p.fill(t, 455) // its count endpoint shows 456
		replay("fleet-" + language + "-2")
	}
	for _, dialect := range []string{"access", "things", "audit"} {
		replay(dialect)
		if status, body := p.ask(http.MethodDelete, entries+"/all", ""); status != http.StatusOK {
			t.Fatalf("delete all: %d %s", status, body)
		}
	}
}

// fill stores n more entries of the platform in the document.
func (p *process) fill(t *testing.T, n int) {
	t.Helper()
	r := mustRequest(t, http.MethodPost, "http://"+p.addr+entries, "["+strings.Repeat(`{"platform":"tiktok","action_type":"follow"},`, n-1)+`{"platform":"tiktok","action_type":"follow"}]`)
	status, body, header := p.do(r)
	if status != http.StatusOK {
		t.Fatalf("fill: %d %s", status, body)
	}
	p.until(t, entries+"/count?position="+header.Get(schema.PositionHeader), http.StatusOK, "count")
}

var seeded = map[string]*regexp.Regexp{
	"position":     regexp.MustCompile(schema.PositionHeader + `: (\S+)`),
	"id":           regexp.MustCompile(`"data":\[?\{(?:"deleted":true,)?"id":(\d+)`),
	"login":        regexp.MustCompile(`"act-(\d+)","timestamp":1662388800000`),
	"granted":      regexp.MustCompile(`"act-(\d+)","timestamp":1662392400000`),
	"logout":       regexp.MustCompile(`"act-(\d+)","timestamp":1662451200001`),
	"token":        regexp.MustCompile(`"nextToken":"([^"]+)"`),
	"log":          regexp.MustCompile(`id:([0-9a-f]{32}),timestamp:`),
	"code":         regexp.MustCompile(`action:\{(\d+):`),
	"organization": regexp.MustCompile(`organizationId:([0-9a-f]{32})`),
	"created":      regexp.MustCompile(`\{"id":"([0-9a-f-]{36})"\}`),
	"pay":          regexp.MustCompile(`"id":"([0-9a-f-]{36})","userId":"abc-123","user":[^}]*\},"action":"TICKET_PAY"`),
	"reverse":      regexp.MustCompile(`"id":"([0-9a-f-]{36})","userId":"abc-123","user":[^}]*\},"action":"ACCOUNT_PAYMENT_REVERSE"`),
	"signin":       regexp.MustCompile(`"id":"([0-9a-f-]{36})","userId":"abc-123","user":[^}]*,"action":"USER_LOGIN"`),
}
