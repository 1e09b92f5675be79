package clickhouse

import "testing"

func TestCodes(t *testing.T) {
	for code, want := range map[Code]struct {
		text string
		kind CodeKind
	}{
		0:     {"0", CodeUnknown},
		60:    {"60 UNKNOWN_TABLE", CodeMissing},
		202:   {"202 TOO_MANY_SIMULTANEOUS_QUERIES", CodeOverload},
		394:   {"394 QUERY_WAS_CANCELLED", CodeTimeout},
		469:   {"469 VIOLATED_CONSTRAINT", CodeData},
		516:   {"516 AUTHENTICATION_FAILED", CodeCredentials},
		99999: {"99999", CodeUnknown},
	} {
		if code.String() != want.text || code.Kind() != want.kind {
			t.Errorf("%d: got %q of kind %d, want %q of kind %d", code, code, code.Kind(), want.text, want.kind)
		}
	}
}
