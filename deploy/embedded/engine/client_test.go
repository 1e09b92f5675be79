package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func connect(t testing.TB, c *client, method clickhouse.CompressionMethod) clickhouse.Conn {
	t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Protocol: clickhouse.HTTP, Addr: []string{c.addr}, Auth: clickhouse.Auth{Database: c.database, Username: "default", Password: password},
		Compression: &clickhouse.Compression{Method: method}, Settings: clickhouse.Settings{"max_execution_time": 30, "enable_http_compression": 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// row has a field for each kind of column.
type row struct {
	ID     uint64            `ch:"id"`
	Low    string            `ch:"low"`
	Null   *string           `ch:"nullable"`
	List   []string          `ch:"list"`
	Dict   map[string]uint32 `ch:"dict"`
	Time   time.Time         `ch:"time"`
	Day    time.Time         `ch:"day"`
	UUID   uuid.UUID         `ch:"uuid"`
	Float  float64           `ch:"float"`
	Bool   bool              `ch:"bool"`
	Fixed  string            `ch:"fixed"`
	Enum   string            `ch:"enum"`
	LowArr []string          `ch:"low_list"`
}

const rowColumns = `id UInt64, low LowCardinality(String), nullable Nullable(String), list Array(String), dict Map(String, UInt32),
	time DateTime64(3, 'UTC'), day Date32, uuid UUID, float Float64, bool Bool, fixed FixedString(4), enum Enum8('a' = 1, 'b' = 2),
	low_list Array(LowCardinality(String))`

func rowOf(i int) row {
	r := row{
		ID: uint64(i), Low: fmt.Sprint(i % 3), List: []string{}, Dict: map[string]uint32{}, Time: time.UnixMilli(1_700_000_000_000 + int64(i)).UTC(),
		Day: time.Date(2024, 2, 1+i%28, 0, 0, 0, 0, time.UTC), UUID: uuid.NewSHA1(uuid.NameSpaceOID, []byte{byte(i)}), Float: float64(i) / 3, Bool: i%2 == 0,
		Fixed: fmt.Sprintf("%04d", i%10000), Enum: string(rune('a' + i%2)), LowArr: []string{"x", fmt.Sprint(i % 2)},
	}
	if i%3 == 0 {
		s := "it's\n\x00 " + fmt.Sprint(i)
		r.Null = &s
		r.List = []string{s, ""}
		r.Dict = map[string]uint32{s: uint32(i)}
	}
	return r
}

func TestClickHouseGo(t *testing.T) {
	const rows = 5000
	methods := []clickhouse.CompressionMethod{clickhouse.CompressionNone, clickhouse.CompressionLZ4, clickhouse.CompressionZSTD, clickhouse.CompressionGZIP}
	for _, method := range methods {
		t.Run(method.String(), func(t *testing.T) {
			conn := connect(t, start(t), method)
			if err := conn.Exec(t.Context(), "CREATE TABLE t ("+rowColumns+") ENGINE = MergeTree ORDER BY id"); err != nil {
				t.Fatal(err)
			}
			batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO t")
			if err != nil {
				t.Fatal(err)
			}
			for i := range rows {
				r := rowOf(i)
				if err := batch.AppendStruct(&r); err != nil {
					t.Fatal(err)
				}
			}
			if err := batch.Send(); err != nil {
				t.Fatal(err)
			}
			got, err := conn.Query(t.Context(), "SELECT * FROM t ORDER BY id")
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for ; got.Next(); n++ {
				var r row
				if err := got.ScanStruct(&r); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(rowOf(n), r); d != "" {
					t.Fatalf("row %d (-want +got):\n%s", n, d)
				}
			}
			if err := errors.Join(got.Err(), got.Close()); err != nil || n != rows {
				t.Errorf("got %d rows, %v, want %d", n, err, rows)
			}
		})
	}
}

func TestClickHouseGoFaults(t *testing.T) {
	conn := connect(t, start(t), clickhouse.CompressionNone)
	var fault *clickhouse.Exception
	err := conn.Exec(t.Context(), "SELECT * FROM nowhere")
	if !errors.As(err, &fault) || fault.Code != 60 || fault.Name != "DB::Exception" {
		t.Errorf("got %#v, want ClickHouse's exception 60", err)
	}
	rows, err := conn.Query(t.Context(), "SELECT throwIf(number = 300000) FROM numbers(10000000) SETTINGS max_threads = 1, max_block_size = 10000")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
	}
	if err := rows.Err(); !errors.As(err, &fault) || fault.Code != 395 {
		t.Errorf("in the middle: got %v, want ClickHouse's exception 395", err)
	}
	_ = rows.Close()
	var n uint64
	params := clickhouse.Context(t.Context(), clickhouse.WithParameters(clickhouse.Parameters{"a": "5"}), clickhouse.WithSettings(clickhouse.Settings{"readonly": 1}))
	if err := conn.QueryRow(params, "SELECT toUInt64({a:UInt64} + 1)").Scan(&n); err != nil || n != 6 {
		t.Errorf("got %d, %v, want 6", n, err)
	}
	if err := conn.Exec(params, "CREATE TABLE t (a UInt8) ENGINE = Memory"); !errors.As(err, &fault) || fault.Code != codeReadonly {
		t.Errorf("got %v, want ClickHouse's exception %d", err, codeReadonly)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if err := conn.QueryRow(ctx, "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 3").Scan(&n); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
	if d := time.Since(begin); d > time.Second {
		t.Errorf("gave up after %v", d)
	}
	if err := conn.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
