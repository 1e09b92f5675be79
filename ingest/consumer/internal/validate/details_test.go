package validate

import (
	"testing"

	"github.com/activitylog/activitylog/ingest/consumer/internal/block"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
)

// TestDetails checks that every text which a collector accepts as details can be stored: an accepted entry is not a dead letter.
func TestDetails(t *testing.T) {
	for details, valid := range map[string]bool{
		``:                                   true,
		`{}`:                                 true,
		`{"a":"\ud83d"}`:                     true,
		`{"\ude00":"\ud83d x","b":"\ud800"}`: true,
		`{"a":"\ud83d\ude00"}`:               true,
		`{"a":1e400,"b":-0.0}`:               true,
		`[]`:                                 false,
		`{"a":"\ud83"}`:                      false,
		"{\"a\":\"\xed\xa0\xbd\"}":           false, // half a pair in UTF-8 is not UTF-8
		`{"a":1`:                             false,
	} {
		r := &block.Row{
			Entry: &activitypb.Entry{Action: "a", Timestamp: schema.MinTimestamp, Details: []byte(details)},
			ID:    1, Tenant: "t", ReceivedAt: schema.MinTimestamp,
		}
		if why := Entry(r, true); (why == "") != valid {
			t.Errorf("%q: got %q, want it to be stored: %v", details, why, valid)
		}
	}
}
