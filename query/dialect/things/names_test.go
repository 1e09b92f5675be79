package things_test

import (
	"net/http"
	"testing"
)

// TestNames has requests that openapi.yaml cannot describe, each with an equivalent request that it can: parameter names are
// case-insensitive, unknown parameters and empty values are ignored, and the first value of a name wins.
func TestNames(t *testing.T) {
	h, _ := newRouter(t, true)
	const first = "/actionlogs?Page=1&ItemsPerPage=1"
	for got, want := range map[string]string{
		"/actionlogs?page=1&ITEMSPERPAGE=1":                            first,
		first + "&unknown=x&UserId=&v=1.5&Version=x":                   first,
		"/actionlogs?Page=&page=1&PAGE=2&ItemsPerPage=1":               first,
		"/actionlogs?%50age=1&ItemsPerPage=1":                          first,
		first + "&userid=%2042%20":                                     first + "&UserId=42",
		first + "&targetthingid=thing-9&from=2024-02-12&TO=2024-02-13": first + "&TargetThingId=thing-9&From=2024-02-12&To=2024-02-13",
		first + "&Format=XML":                                          "/actionlogs.xml?Page=1&ItemsPerPage=1",
		first + "&format=yaml":                                         first,
		first + "&format=":                                             first,
		"/actionlogs.jsv?page=1&itemsperpage=1&format=xml":             "/actionlogs.jsv?Page=1&ItemsPerPage=1",
	} {
		a, b := get(t, h, http.MethodGet, got), get(t, h, http.MethodGet, want)
		if a.Code != http.StatusOK || a.Body.String() != b.Body.String() || a.Header().Get("Content-Type") != b.Header().Get("Content-Type") {
			t.Errorf("%s: got %d %s, want what %s gets: %s", got, a.Code, a.Body, want, b.Body)
		}
	}
}
