package collector_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBodiesOfStrangers posts the files of testdata/bodies, which are bodies that clients sent and that this collector once refused or
// misread.
func TestBodiesOfStrangers(t *testing.T) {
	r := start(t, 2, nil).ready()
	stored := 0
	for _, c := range []struct {
		file, contentType, encoding string
		accepted                    int
		message                     string // of a refusal
	}{
		{"bom-single.json", "application/json", "", 1, ""},
		{"bom-single.json", "application/x-www-form-urlencoded", "", 1, ""},
		{"bom-array.json", "application/json", "", 1, ""},
		{"bom.ndjson", "application/x-ndjson", "", 2, ""},
		{"bom.ndjson", "text/x-ndjson", "", 2, ""},
		{"bom.ndjson", "application/json-lines", "", 2, ""},
		{"bom.ndjson", "application/ndjson+json", "", 2, ""},
		{"bom.ndjson", "application/json", "", 0, "malformed JSON at byte 26: end of the text expected; entries one a line need Content-Type: application/x-ndjson"},
		{"zlib.ndjson.zz", "application/x-ndjson", "deflate", 2, ""},
		{"zlib.ndjson.zz", "application/x-ndjson", "gzip", 0, "body: is not gzip"},
		{"gz-badcrc.ndjson.gz", "application/x-ndjson", "gzip", 0, "body: has a wrong checksum: its gzip data was damaged"},
		{"gz-truncated.ndjson.gz", "application/x-ndjson", "gzip", 0, "body: ends early: its gzip data is not complete"},
		{"gz-trailing-garbage.ndjson.gz", "application/x-ndjson", "gzip", 0, "body: has other bytes after the end of its gzip data"},
		{"gz-badcrc.ndjson.gz", "application/x-ndjson", "", 0, "body: is gzip, and must be sent with Content-Encoding: gzip"},
	} {
		body, err := os.ReadFile(filepath.Join("testdata", "bodies", c.file))
		if err != nil {
			t.Fatal(err)
		}
		got := r.post(string(body), "Content-Type", c.contentType, "Content-Encoding", c.encoding)
		accepted := got.Accepted
		if got.ID != 0 {
			accepted = 1
		}
		if accepted != c.accepted || got.Rejected != 0 || (got.Status == 200) != (c.accepted > 0) || !strings.HasPrefix(got.Message, c.message) {
			t.Errorf("%s as %q, %q: %d %s", c.file, c.contentType, c.encoding, got.Status, got.Body)
		}
		stored += accepted
	}
	if entries, _ := r.log(2); len(entries) != stored {
		t.Errorf("%d entries in the log, want %d", len(entries), stored)
	}
}

// TestTimesOfStrangers posts times in forms and units that were refused or misread, and looks into the log.
func TestTimesOfStrangers(t *testing.T) {
	r := start(t, 1, nil).ready()
	secs, err := os.ReadFile("testdata/bodies/seconds-on-audit.json")
	if err != nil {
		t.Fatal(err)
	}
	var want []int64
	for _, c := range []struct {
		dialect, body string
		ms            int64
	}{
		{"fleet", `{"action_type":"n","timestamp":1707725000.0}`, 1707725000000},
		{"fleet", `{"action_type":"n","timestamp":1.707725e9}`, 1707725000000},
		{"fleet", `{"action_type":"n","timestamp":1707725000.123}`, 1707725000123},
		{"fleet", `{"action_type":"n","timestamp":"2024-02-12T08:03:20.5Z"}`, 1707725000500},
		{"audit", `{"action":"n","timestamp":1707725000123.0}`, 1707725000123},
		{"audit", `{"action":"n","timestamp":1707725000.5}`, 1707725000500},
		{"audit", `{"action":"n","timestamp":"2024-02-12 09:03:20+0100"}`, 1707725000000},
		{"audit", string(secs), 1707725000000},
	} {
		status := 0
		if c.dialect == "fleet" {
			status = r.post(c.body).Status
		} else {
			status, _, _, _ = r.audit("", c.body)
		}
		if status != 200 && status != 201 {
			t.Errorf("%s: %s: got %d", c.dialect, c.body, status)
			continue
		}
		want = append(want, c.ms)
	}
	entries, _ := r.log(1)
	var got []int64
	for _, e := range entries {
		got = append(got, e.Timestamp)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("times in the log (-want +got):\n%s", diff)
	}
}
