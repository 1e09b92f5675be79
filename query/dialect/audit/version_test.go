package audit_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/query/internal/fixture"
	"github.com/activitylog/activitylog/schema/api/contract"
)

// HTTP/1.0 has no trailers, by which the client of an export knows that nothing is missing. Everything else works over it.
func TestOldHTTP(t *testing.T) {
	db := fixture.Open(t, testbed.ClickHouse(t))
	db.Put(t, entries()...)
	server := httptest.NewServer(router(db.Conn))
	defer server.Close()
	for _, tt := range []struct {
		version, target string
		status          int
		contains        string
	}{
		{"1.0", "/api/v1/activity-logs/export", 426, "needs HTTP/1.1 or later"},
		{"1.0", "/api/v1/activity-logs/export?format=csv&userId=nobody", 426, "needs HTTP/1.1 or later"},
		{"1.0", "/api/v1/activity-logs/export?format=parquet", 426, "needs HTTP/1.1 or later"},
		{"1.1", "/api/v1/activity-logs/export?userId=abc-123", 200, "abc-123"},
		{"1.0", "/api/v1/activity-logs/count", 200, `"count":5`},
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/%s\r\nHost: localhost\r\nConnection: close\r\n\r\n", tt.target, tt.version)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		var body strings.Builder
		_, err = bufio.NewReader(res.Body).WriteTo(&body)
		_ = res.Body.Close()
		_ = conn.Close()
		if err != nil || res.StatusCode != tt.status || !strings.Contains(body.String(), tt.contains) || (res.Header.Get("Upgrade") != "") != (tt.status == 426) {
			t.Errorf("%s over %s: got %d %v %s, %v, want %d %s", tt.target, tt.version, res.StatusCode, res.Header, body.String(), err, tt.status, tt.contains)
		}
		if tt.status == 426 {
			contract.Hold(t, contract.Exchange{
				Method: http.MethodGet, Target: tt.target, Header: http.Header{}, Status: res.StatusCode, AnswerHeader: res.Header, Answer: []byte(body.String()),
			})
		}
	}
}

// Over HTTP/2 a short export has no length, too: curl looks for trailers only where the length is not known.
func TestExportOverHTTP2(t *testing.T) {
	db := fixture.Open(t, testbed.ClickHouse(t))
	db.Put(t, entries()...)
	server := httptest.NewUnstartedServer(router(db.Conn))
	var both, second http.Protocols
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	second.SetUnencryptedHTTP2(true)
	server.Config.Protocols = &both
	server.Start()
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{Protocols: &second}}
	for target, rows := range map[string]string{"userId=abc-123": "3", "userId=nobody": "0", "format=json&userId=nobody": "0", "format=csv&userId=nobody": "0"} {
		res, err := client.Get(server.URL + "/api/v1/activity-logs/export?" + target)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if err != nil || res.ProtoMajor != 2 || res.ContentLength != -1 || res.Trailer.Get("X-Export-Rows") != rows {
			t.Errorf("%s: got HTTP/%d, length %d, trailers %v, %v, want %s rows", target, res.ProtoMajor, res.ContentLength, res.Trailer, err, rows)
		}
	}
}
