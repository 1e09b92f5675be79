package engine

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/libchdb"
	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/statement"
)

const benchTable = `CREATE TABLE %s (tenant LowCardinality(String), timestamp DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)), id UInt64 CODEC(Delta(8), ZSTD(1)),
	action LowCardinality(String), device String CODEC(ZSTD(1)), detail String CODEC(ZSTD(1)))
	ENGINE = MergeTree ORDER BY (tenant, timestamp, id)
	SETTINGS non_replicated_deduplication_window = 1000, auto_statistics_types = '', fsync_after_insert = %d`

// benchBlock encodes entries as a consumer would.
func benchBlock(b *testing.B, rows int) []byte {
	b.Helper()
	tenant, action := new(chproto.ColStr).LowCardinality(), new(chproto.ColStr).LowCardinality()
	stamp := new(chproto.ColDateTime64).WithPrecision(chproto.PrecisionMilli).WithLocation(time.UTC)
	var id chproto.ColUInt64
	var device, detail chproto.ColStr
	for i := range rows {
		tenant.Append("default")
		action.Append(fmt.Sprint("action-", i%20))
		stamp.Append(time.UnixMilli(1_700_000_000_000 + int64(i)))
		id.Append(uint64(i))
		device.Append(fmt.Sprint("device-", i*7919%10_000))
		detail.Append(fmt.Sprintf("user %d opened document %d", i%50_000, i))
	}
	if err := tenant.Prepare(); err != nil {
		b.Fatal(err)
	}
	if err := action.Prepare(); err != nil {
		b.Fatal(err)
	}
	var buf chproto.Buffer
	block := chproto.Block{Columns: 6, Rows: rows}
	err := block.EncodeRawBlock(&buf, 0, chproto.Input{
		{Name: "tenant", Data: tenant},
		{Name: "timestamp", Data: stamp},
		{Name: "id", Data: id},
		{Name: "action", Data: action},
		{Name: "device", Data: device},
		{Name: "detail", Data: detail},
	})
	if err != nil {
		b.Fatal(err)
	}
	return buf.Buf
}

// BenchmarkInsert compares an INSERT over HTTP with the same INSERT directly into the library.
func BenchmarkInsert(b *testing.B) {
	const rows = 250_000
	c := start(b)
	block := benchBlock(b, rows)
	for fsync := range 2 {
		name := fmt.Sprintf("bench%d", fsync)
		c.want(http.StatusOK, fmt.Sprintf(benchTable, name, fsync), nil)
		b.Run(fmt.Sprintf("http/fsync=%d", fsync), func(b *testing.B) {
			for b.Loop() {
				c.want(http.StatusOK, "INSERT INTO "+name+" FORMAT Native", block, "insert_deduplication_token", fmt.Sprint(counter.Add(1)))
			}
			b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
		b.Run(fmt.Sprintf("direct/fsync=%d", fsync), func(b *testing.B) {
			stmt, err := statement.Parse("INSERT INTO " + name + " FORMAT Native")
			if err != nil {
				b.Fatal(err)
			}
			file, err := libchdb.NewFile(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer file.Discard()
			if _, err := file.Write(block); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				err := shared.engine.pool.do(b.Context(), &request{stmt: &statement.Statement{Kind: statement.Insert}, database: c.database}, func(s *session) error {
					settings := fmt.Sprintf("insert_deduplication_token = '%d', ", counter.Add(1)) + oneBlock
					_, _, err := s.Exec(libchdb.Query{SQL: stmt.From(file.Path(), settings), Format: "Null"})
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkSelectOne measures the minimal cost of a query with the client that the services use.
func BenchmarkSelectOne(b *testing.B) {
	conn := connect(b, start(b), clickhouse.CompressionNone)
	for b.Loop() {
		var one uint8
		if err := conn.QueryRow(b.Context(), "SELECT 1").Scan(&one); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkExport streams rows as an export does.
func BenchmarkExport(b *testing.B) {
	for _, format := range []string{"Native", "JSONEachRow", "CSVWithNames", "Parquet"} {
		b.Run(format, func(b *testing.B) {
			c := start(b)
			for b.Loop() {
				req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://"+c.addr+"/?default_format="+format, nil)
				if err != nil {
					b.Fatal(err)
				}
				req.URL.RawQuery += "&query=SELECT+number,toString(number)+AS+s+FROM+numbers(3000000)"
				req.SetBasicAuth("default", password)
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, res.Body)
				if err != nil {
					b.Fatal(err)
				}
				_ = res.Body.Close()
				b.SetBytes(n)
			}
		})
	}
}
