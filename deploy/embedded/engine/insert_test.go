package engine

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	chproto "github.com/ClickHouse/ch-go/proto"
)

// native encodes rows (id, text) as one Native block, from first on.
func native(t testing.TB, from, rows int) []byte {
	t.Helper()
	var ids chproto.ColUInt64
	var texts chproto.ColStr
	for i := from; i < from+rows; i++ {
		ids.Append(uint64(i))
		texts.Append("entry " + strconv.Itoa(i))
	}
	return encode(t, rows, chproto.Input{{Name: "id", Data: ids}, {Name: "text", Data: texts}})
}

func encode(t testing.TB, rows int, in chproto.Input) []byte {
	t.Helper()
	var b chproto.Buffer
	block := chproto.Block{Columns: len(in), Rows: rows}
	if err := block.EncodeRawBlock(&b, 0, in); err != nil {
		t.Fatal(err)
	}
	// A block of revision 0 has only rows and columns: ch-go writes it without block information.
	return b.Buf
}

const table = "CREATE TABLE t (id UInt64, text String, day Date DEFAULT '2020-02-02') ENGINE = MergeTree ORDER BY id " +
	"SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1"

const activeParts = "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 't' AND active"

func TestInsertIsOnePart(t *testing.T) {
	const rows = 1_048_000
	c := start(t)
	c.want(http.StatusOK, table, nil)
	c.want(http.StatusOK, "SYSTEM STOP MERGES", nil)
	t.Cleanup(func() { c.want(http.StatusOK, "SYSTEM START MERGES", nil) })
	block := native(t, 0, rows)
	got := c.do(http.MethodPost, "INSERT INTO t (id, text) FORMAT Native", block)
	if got.status != http.StatusOK {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	if s := got.header.Get("X-ClickHouse-Summary"); !strings.Contains(s, `"written_rows":"1048000"`) {
		t.Errorf("summary is %s, want the rows in it", s)
	}
	c.query(activeParts, "1")
	c.query("SELECT count(), sum(id), countIf(text = concat('entry ', toString(id))), uniqExact(day) FROM t",
		fmt.Sprintf("%d\t%d\t%d\t1", rows, rows*(rows-1)/2, rows))
}

func TestInsertOfManyBlocksIsOnePart(t *testing.T) {
	c := start(t)
	c.want(http.StatusOK, table, nil)
	c.want(http.StatusOK, "INSERT INTO t (id, text) FORMAT Native", bytes.Join([][]byte{native(t, 0, 1000), native(t, 1000, 1), native(t, 1001, 500)}, nil))
	c.query(activeParts, "1")
	c.query("SELECT count(), uniqExact(id) FROM t", "1501\t1501")
}

func TestTokenDeduplicates(t *testing.T) {
	c := start(t)
	c.want(http.StatusOK, table, nil)
	for range 3 {
		c.want(http.StatusOK, "INSERT INTO t (id, text) FORMAT Native", native(t, 0, 100), "insert_deduplication_token", `a:0'\`)
	}
	c.query("SELECT count() FROM t", "100")
	c.want(http.StatusOK, "INSERT INTO t (id, text) FORMAT Native", native(t, 0, 100), "insert_deduplication_token", `a:1`)
	c.query("SELECT count() FROM t", "200")
	for range 3 {
		c.want(http.StatusOK, "INSERT INTO t (id, text) SELECT number, 'x' FROM numbers(7)", nil, "insert_deduplication_token", "select")
	}
	c.query("SELECT count() FROM t", "207")
	c.query("SELECT count() FROM t WHERE day = '2020-02-02'", "207")
}

func TestInsertFormats(t *testing.T) {
	tests := []struct{ text, body string }{
		{"INSERT INTO t (id, text) FORMAT JSONEachRow", `{"id": 1, "text": "a;b"}` + "\n" + `{"id": 2, "text": "c"}`},
		{"INSERT INTO t (id, text) FORMAT CSV", "1,\"a;b\"\n2,c\n"},
		{"INSERT INTO t (id, text) FORMAT TSV", "1\ta;b\n2\tc\n"},
		{"INSERT INTO t (id, text) VALUES", " (1, 'a;b'), (2, 'c')"},
		{"INSERT INTO t (id, text) VALUES (1, 'a;b'), (2, 'c');", ""},
		{"INSERT INTO TABLE t (id, text) SETTINGS max_threads = 1 FORMAT JSONEachRow {\"id\": 1, \"text\": \"a;b\"}", `{"id": 2, "text": "c"}`},
		{"", "INSERT INTO t (id, text) FORMAT CSV\n1,\"a;b\"\n2,c\n"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			c := start(t)
			c.want(http.StatusOK, table, nil)
			c.want(http.StatusOK, tt.text, []byte(tt.body))
			c.query("SELECT id, text FROM t ORDER BY id", "1\ta;b\n2\tc")
		})
	}
}

func TestBadInserts(t *testing.T) {
	unequal := encode(t, 3, chproto.Input{{Name: "id", Data: chproto.ColUInt64{1, 2, 3}}})
	unequal[0] = 2 // says that two columns follow
	short := append(bytes.Clone(unequal), "\x04text\x06String\x01a"...)
	long := append(bytes.Clone(unequal), "\x04text\x06String\x01a\x01b\x01c\x01d\x01e"...)
	tests := []struct {
		name string
		body []byte
		code string
	}{
		{"no data", nil, "23"},
		{"a column missing", unequal, "32"},
		{"a column too short", short, "33"},
		{"a column too long", long, ""},
		{"cut off", native(t, 0, 1000)[:5000], "33"},
		{"cut off in a later block", append(native(t, 0, 1000), native(t, 1000, 1000)[:5000]...), "33"},
		{"text", []byte("hello, world, this is no block"), ""},
		{"a type that does not fit", encode(t, 1, chproto.Input{{Name: "id", Data: &chproto.ColStr{Buf: []byte("x"), Pos: []chproto.Position{{Start: 0, End: 1}}}}}), "6"},
	}
	c := start(t)
	c.want(http.StatusOK, table, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := c.do(http.MethodPost, "INSERT INTO t (id, text) FORMAT Native", tt.body)
			if got.status != http.StatusBadRequest {
				t.Errorf("got %d %s, want 400", got.status, got.body)
			}
			if code := got.header.Get("X-ClickHouse-Exception-Code"); code == "" || tt.code != "" && code != tt.code {
				t.Errorf("got code %q, want %q", code, tt.code)
			}
		})
	}
	c.query("SELECT count() FROM t", "0")
}
