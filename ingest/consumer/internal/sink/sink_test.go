package sink

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
)

type numbers struct {
	names []string
	n     proto.ColUInt64
}

func (b *numbers) Rows() int { return len(b.n) }

func (b *numbers) Columns() (in proto.Input) {
	for _, name := range b.names {
		in = append(in, proto.InputColumn{Name: name, Data: b.n})
	}
	return in
}

func open(t *testing.T) (*Sink, clickhouse.Conn) {
	t.Helper()
	opts, err := clickhouse.ParseDSN(testbed.ClickHouse(t))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	s := Open(opts)
	t.Cleanup(func() { s.Close(); _ = conn.Close() })
	err = s.Exec(t.Context(), "CREATE TABLE t (n UInt64, CONSTRAINT small CHECK n < 1000) ENGINE = MergeTree PARTITION BY n % 2 ORDER BY n SETTINGS non_replicated_deduplication_window = 100")
	if err != nil {
		t.Fatal(err)
	}
	return s, conn
}

func count(t *testing.T, conn clickhouse.Conn) (n uint64) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestATokenIsStoredOnce(t *testing.T) {
	for _, packed := range []bool{false, true} {
		t.Run(fmt.Sprint("compressed ", packed), func(t *testing.T) {
			s, conn := open(t)
			s.compress = packed
			b := &numbers{names: []string{"n"}}
			for i := range 300 {
				b.n.Append(uint64(i))
			}
			for i, c := range []struct {
				token string
				want  uint64
			}{{"a", 300}, {"a", 300}, {"b", 600}, {"a", 600}} {
				if err := s.Insert(t.Context(), "t", c.token, b); err != nil {
					t.Fatal(err)
				}
				if got := count(t, conn); got != c.want {
					t.Errorf("insert %d under %q: got %d rows, want %d", i, c.token, got, c.want)
				}
			}
		})
	}
}

// TestATokenOfASelectIsStoredOnce checks what the corrections of deletes rely on: a repeated INSERT SELECT stores nothing, even if its rows
// have become fewer.
func TestATokenOfASelectIsStoredOnce(t *testing.T) {
	s, conn := open(t)
	one := map[string]string{"insert_deduplication_token": "x", "insert_deduplicate": "1"}
	for i, rows := range []int{40, 40, 11} {
		if err := s.Exec(t.Context(), fmt.Sprintf("INSERT INTO t SELECT number FROM numbers(%d) GROUP BY number", rows), one); err != nil {
			t.Fatal(err)
		}
		if got := count(t, conn); got != 40 {
			t.Errorf("run %d: got %d rows, want 40", i, got)
		}
	}
}

func TestKinds(t *testing.T) {
	s, _ := open(t)
	few := &numbers{names: []string{"n"}, n: proto.ColUInt64{1}}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	wrong := Open(&clickhouse.Options{Addr: []string{s.base.Host}, Auth: clickhouse.Auth{Username: "default", Password: "no"}})
	nobody := Open(&clickhouse.Options{Addr: []string{"127.0.0.1:1"}})
	for name, c := range map[string]struct {
		err  error
		want Kind
	}{
		"none":          {s.Insert(t.Context(), "t", "1", few), KindNone},
		"no table":      {s.Insert(t.Context(), "u", "1", few), KindConfig},
		"no database":   {s.Insert(t.Context(), "u.t", "1", few), KindConfig},
		"no column":     {s.Insert(t.Context(), "t", "2", &numbers{names: []string{"m"}, n: proto.ColUInt64{1}}), KindConfig},
		"password":      {wrong.Ping(t.Context()), KindConfig},
		"bad row":       {s.Insert(t.Context(), "t", "3", &numbers{names: []string{"n"}, n: proto.ColUInt64{1000}}), KindData},
		"no server":     {nobody.Ping(t.Context()), KindUnavailable},
		"cancelled":     {s.Ping(cancelled), KindUnavailable},
		"something new": {errors.New("Code: 99999. DB::Exception"), KindUnavailable},
	} {
		if got := KindOf(c.err); got != c.want {
			t.Errorf("%s: KindOf(%v) = %d, want %d", name, c.err, got, c.want)
		}
	}
	if err := s.Insert(t.Context(), "u", "1", few); !Missing(err) {
		t.Errorf("Missing(%v) = false, want true", err)
	}
}
