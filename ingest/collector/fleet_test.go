package collector_test

import (
	"strings"
	"testing"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// example is the request of the API's own documentation.
const example = `{
"platform": "tiktok",
"serial": "device_serial_123",
"action_type": "post",
"action_detail": "Published video successfully",
"username": "user123",
"timestamp": 1707725000
}`

func TestExample(t *testing.T) {
	r := start(t, 4, nil).ready()
	before := time.Now().UnixMilli()
	for _, contentType := range []string{"application/json", "", "application/x-www-form-urlencoded", "application/json; charset=utf-8"} {
		got := r.post(example, "Content-Type", contentType)
		if got.Status != 200 || !strings.HasPrefix(got.Body, `{"code":0,"message":"success","data":{"id":`) || got.ID == 0 {
			t.Fatalf("%q: reply %d %s", contentType, got.Status, got.Body)
		}
		position, err := schema.ParsePosition(got.Header.Get(schema.PositionHeader))
		if err != nil || len(position) != 1 {
			t.Errorf("position %q, %v", got.Header.Get(schema.PositionHeader), err)
		}
	}
	entries, _ := r.log(4)
	if len(entries) != 4 {
		t.Fatalf("%d entries in the log, want 4", len(entries))
	}
	e := entries[0]
	if e.Platform != "tiktok" || e.Device != "device_serial_123" || e.Action != "post" || e.Detail != "Published video successfully" ||
		e.ActorName != "user123" || e.Timestamp != 1707725000000 || e.Tenant != schema.DefaultTenant || e.Received < before || len(e.Details) != 0 {
		t.Errorf("stored %v", e)
	}
}
