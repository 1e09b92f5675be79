package request

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/activitylog/activitylog/schema"
)

func withQuery(query string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.URL.RawQuery = query
	return r
}

func TestKnown(t *testing.T) {
	fleet := []string{"platform", "serial", "action_type", "username", "search", "start", "end", "limit", "offset", "order", "cursor"}
	audit := []string{"userId", "username", "action", "targetType", "targetId", "platform", "serial", "requestId", "search", "startDate", "endDate", "page", "pageSize", "sort", "cursor"}
	for _, c := range []struct {
		names       []string
		query, says string // empty: taken
	}{
		{fleet, "", ""},
		{fleet, "platform=x&serial=&limit=1&tenant=a&TENANT=a&position=p0:1", ""},
		{fleet, "device=x", "device: is not a parameter of this request: did you mean serial?"},
		{fleet, "deviceId=x", "deviceId: is not a parameter of this request: did you mean serial?"},
		{fleet, "seriel=x", "seriel: is not a parameter of this request: did you mean serial?"},
		{fleet, "Serial=x", "Serial: is not a parameter of this request: did you mean serial?"},
		{fleet, "from=1", "from: is not a parameter of this request: did you mean start?"},
		{fleet, "until=1", "until: is not a parameter of this request: did you mean end?"},
		{fleet, "actionType=x", "actionType: is not a parameter of this request: did you mean action_type?"},
		{fleet, "action=x", "action: is not a parameter of this request: did you mean action_type?"},
		{fleet, "userId=x", "userId: is not a parameter of this request: did you mean username?"},
		{fleet, "q=x", "q: is not a parameter of this request: did you mean search?"},
		{fleet, "ipAddress=x", "ipAddress: is not a parameter of this request, which takes platform, serial, action_type, username, search, start, end, limit, offset, order, cursor"},
		{fleet, "%20serial=x", " serial: is not a parameter of this request: did you mean serial?"},
		{fleet, "=x", "query: has a value without a name: this request takes platform, serial, action_type"},
		{audit, "=", "query: has a value without a name: this request takes userId, username"},
		{audit, "serial=a&%20=x", "query: has a value without a name: this request takes"},
		{audit, "serial=a&&", ""},
		{nil, "=x", "query: has a value without a name: this request takes none"},
		{fleet, "serial=x&zzz=1&aaa=2", "aaa: is not"},
		{audit, "Action=x", "Action: is not a parameter of this request: did you mean action?"},
		{audit, "action_type=x", "action_type: is not a parameter of this request: did you mean action?"},
		{audit, "user_id=x", "user_id: is not a parameter of this request: did you mean userId?"},
		{audit, "target=x", "target: is not a parameter of this request: did you mean targetId?"},
		{audit, "targetid=x", "targetid: is not a parameter of this request: did you mean targetId?"},
		{audit, "start=2024-03-15", "start: is not a parameter of this request: did you mean startDate?"},
		{audit, "limit=5", "limit: is not a parameter of this request: did you mean pageSize?"},
		{audit, "offset=5", "offset: is not a parameter of this request: did you mean page?"},
		{audit, "order=asc", "order: is not a parameter of this request: did you mean sort?"},
		{nil, "platform=x", "platform: is not a parameter of this request, which takes none"},
		{nil, "tenant=x", ""},
		{fleet, "serial=a&serial=b", "serial: is given more than once"},
		{fleet, "serial=a&serial=a", "serial: is given more than once"},
		{audit, "position=p0:1&position=p0:2", "position: is given more than once"},
		{[]string{"platform!"}, "platform!=a&platform!=b", ""},
		{fleet, "platform=%zz", "query: cannot be read as name=value pairs"},
	} {
		_, err := Known(withQuery(c.query), c.names...)
		var f *schema.FieldError
		if (err == nil) != (c.says == "") || err != nil && (!errors.As(err, &f) || !strings.HasPrefix(err.Error(), c.says)) {
			t.Errorf("%s: got %v, want %s", c.query, err, c.says)
		}
	}
}

// What a caller sent as a name is shown in part, and is text.
func TestShown(t *testing.T) {
	for name, want := range map[string]int{"a": 1, strings.Repeat("a", 64): 64, strings.Repeat("a", 100_000): 64, strings.Repeat("é", 40): 64, "a" + strings.Repeat("é", 40): 63, "\xff": 3} {
		if got := shown(name); len(got) != want || !utf8.ValidString(got) {
			t.Errorf("%.20q…: got %q of %d bytes, want %d", name, got, len(got), want)
		}
	}
}

func FuzzNearest(f *testing.F) {
	f.Add("seriel", "serial")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a) > 200 || len(b) > 200 {
			return
		}
		if d := schema.Edits(a, b); d != schema.Edits(b, a) || (d == 0) != (a == b) || d > max(len(a), len(b)) {
			t.Errorf("%q to %q: %d edits", a, b, d)
		}
		if got := nearest(a, []string{b}); got != "" && got != b {
			t.Errorf("%q: got %q", a, got)
		}
	})
}
