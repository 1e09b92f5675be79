package engine

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/libchdb"
	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/statement"
)

func TestRequest(t *testing.T) {
	tests := []struct {
		name, method, query, body string
		want                      string // settings without the log comment, or the code of the refusal
	}{
		{"settings are literals", "POST", `query=SELECT+1&max_two=it's&max_one=%5C`, "", `max_one = '\\', max_two = 'it\'s'`},
		{"the last of two counts", "POST", "query=SELECT+1&max_one=1&max_one=2", "", "max_one = '2'"},
		{"the interface's own are none", "POST", "database=d&default_format=CSV&query_id=x&user=u&password=p&compress=1&buffer_size=5", "SELECT 1", ""},
		{"readonly comes last", "POST", "query=SELECT+1&readonly=1&use_z=1", "", "use_z = '1', readonly = '1'"},
		{"GET is read only", "GET", "query=SELECT+1", "", "readonly = '2'"},
		{"GET does not write", "GET", "query=DROP+TABLE+t", "", "164"},
		{"readonly cannot be undone", "POST", "query=SELECT+1+SETTINGS+readonly=0&readonly=1", "", "497"},
		{"a session is ignored", "POST", "query=SELECT+1&session_id=x&session_timeout=60&session_check=1", "", ""},
		{"a role is refused", "POST", "query=SELECT+1&role=x", "", "48"},
		{"files of formats", "POST", "query=SELECT+1+FORMAT+Template&format_template_row=/etc/passwd", "", "115"},
		{"files of formats in the text", "POST", "query=SELECT+1+FORMAT+Template+SETTINGS+format_template_row='/etc/passwd'", "", "115"},
		{"files of formats by SET", "POST", "query=SET+format_schema='/etc/passwd'", "", "115"},
		{"files of formats by ALTER", "POST", "query=ALTER+TABLE+t+MODIFY+SETTING+disk='x'", "", "115"},
		{"another dialect of SQL", "POST", "query=SELECT+1&dialect=kusto", "", "115"},
		{"SQL in a setting", "POST", "query=SELECT+1&additional_result_filter=file('x')", "", "115"},
		{"SQL in filters", "POST", `query=SELECT+1&additional_table_filters={'t':'file(\'x\')'}`, "", "497"},
		{"SQL in filters in the text", "POST", `query=SELECT+1+SETTINGS+additional_table_filters='{}'`, "", "497"},
		{"filters", "POST", `query=SELECT+1&additional_table_filters={'t':'a=\'x\''}`, "", `additional_table_filters = '{\'t\':\'a=\\\'x\\\'\'}'`},
		{"names are names", "POST", "query=SELECT+1&a=1,b=2&a%20b=1", "", "115"},
		{"a statement in two places", "POST", "query=SELECT+1", "SELECT 2", "62"},
		{"no statement", "POST", "", " \n", "62"},
		{"a long statement", "POST", "", "SELECT '" + strings.Repeat("x", maxText) + "'", "62"},
		{"bad escapes", "POST", "query=%zz", "", "36"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{Method: tt.method, URL: &url.URL{RawQuery: tt.query}, Body: io.NopCloser(strings.NewReader(tt.body))}
			req, err := (&Engine{}).readRequest(r, defaultUser)
			var ch *libchdb.Error
			if errors.As(err, &ch) {
				if !strings.HasPrefix(ch.Text, "Code: "+tt.want+".") {
					t.Errorf("got %v, want code %s", err, tt.want)
				}
				return
			}
			got, _, _ := strings.Cut(req.settings, "log_comment = ")
			if got = strings.TrimSuffix(got, ", "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func FuzzRequest(f *testing.F) {
	for _, seed := range []struct{ method, query, body, encoding string }{
		{"POST", "query=SELECT+1&max_threads=1", "", ""},
		{"POST", "database=d&default_format=Native&client_protocol_version=54460", "SELECT * FROM t", ""},
		{"POST", "query=INSERT+INTO+t+FORMAT+Native&decompress=1", "\x01\x02", ""},
		{"GET", "query=SELECT+{a:String}&param_a=%27", "", ""},
		{"POST", "", "\x1f\x8b\x08", "gzip"},
		{"POST", "", "\x28\xb5\x2f\xfd", "zstd"},
	} {
		f.Add(seed.method, seed.query, seed.body, seed.encoding)
	}
	f.Fuzz(func(t *testing.T, method, query, body, encoding string) {
		r := &http.Request{
			Method: method, URL: &url.URL{RawQuery: query}, Header: http.Header{"Content-Encoding": {encoding}, "Accept-Encoding": {"gzip"}},
			Body: http.MaxBytesReader(httptest.NewRecorder(), io.NopCloser(strings.NewReader(body)), 1<<20),
		}
		req, err := (&Engine{}).readRequest(r, defaultUser)
		if err != nil {
			var ch *libchdb.Error
			if !errors.As(err, &ch) || ch.Code == 0 {
				t.Fatalf("%q %q: an error without a code: %v", query, body, err)
			}
			return
		}
		// Whatever parameters contain, they remain values of settings.
		again, err := statement.Parse("SELECT 1 FROM t SETTINGS " + req.settings)
		if err != nil {
			t.Fatalf("%q: settings %q: %v", query, req.settings, err)
		}
		if n := len(again.Settings); again.Settings[n-1] != "log_comment" || slices.Contains(again.Settings[:n-1], "log_comment") {
			t.Fatalf("%q: settings %q read as %v", query, req.settings, again.Settings)
		}
	})
}
