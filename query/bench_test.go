package query

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/query/db"
)

// BenchmarkReads prints the median of each read over ACTIVITY_BENCH_ROWS entries (2 M) in 20 parts, without the cache of
// query conditions.
func BenchmarkReads(b *testing.B) {
	rows := 2_000_000
	if n, err := strconv.Atoi(os.Getenv("ACTIVITY_BENCH_ROWS")); err == nil {
		rows = n
	}
	s, tables := openReader(b)
	tables.Fill(b, base, rows, 20)
	mid := base + 15*24*hourMs
	list := func(set func(*Listing)) func(context.Context) error {
		l := Listing{Filter: filterOf(b, "default"), Limit: 100}
		set(&l)
		return func(ctx context.Context) error {
			_, err := s.List(ctx, l)
			return err
		}
	}
	count := func(set func(*Filter)) func(context.Context) error {
		f := filterOf(b, "default")
		set(&f)
		return func(ctx context.Context) error {
			_, err := s.Count(ctx, f)
			return err
		}
	}
	stats := func(q Statistics, set func(*Filter)) func(context.Context) error {
		q.Filter, q.Top = filterOf(b, "default"), 10
		set(&q.Filter)
		return func(ctx context.Context) error {
			_, err := s.Stats(ctx, q)
			return err
		}
	}
	for _, tc := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"connection alone", func(ctx context.Context) error {
			var n uint8
			return s.db.One(ctx, "default", db.Statement{Text: "SELECT 1"}, &n)
		}},
		{"list newest", list(func(*Listing) {})},
		{"list platform", list(func(l *Listing) { l.Filter.Platform = "platform3" })},
		{"list action", list(func(l *Listing) { l.Filter.Action = "action3" })},
		{"list until mid", list(func(l *Listing) { l.Filter.End = mid + 1234567 })},
		{"list offset half", list(func(l *Listing) { l.Offset = int64(rows / 2) })},
		{"list platform offset half", list(func(l *Listing) { l.Filter.Platform = "platform3"; l.Offset = int64(rows / 16) })},
		{"list busy device", list(func(l *Listing) { l.Filter.Device = "device1" })},
		{"list usual device", list(func(l *Listing) { l.Filter.Device = "device700" })},
		{"list rare device", list(func(l *Listing) { l.Filter.Device = "device9000" })},
		{"list usual user", list(func(l *Listing) { l.Filter.Username = "user700" })},
		{"list rare user", list(func(l *Listing) { l.Filter.Username = "user40000" })},
		{"list device and action", list(func(l *Listing) { l.Filter.Device, l.Filter.Action = "device700", "action3" })},
		{"list request", list(func(l *Listing) { l.Filter.RequestID = "r77777" })},
		{"list rare word", list(func(l *Listing) { l.Filter.Search = "word4711" })},
		{"list rare word in a day", list(func(l *Listing) { l.Filter.Search, l.Filter.Start, l.Filter.End = "word4711", mid, mid+24*hourMs-1 })},
		{"count all", count(func(*Filter) {})},
		{"count platform", count(func(f *Filter) { f.Platform = "platform3" })},
		{"count device", count(func(f *Filter) { f.Device = "device700" })},
		{"count with edges", count(func(f *Filter) { f.Start, f.End = mid+1234567, mid+77*hourMs+7654321 })},
		{"count device and action", count(func(f *Filter) { f.Device, f.Action = "device700", "action3" })},
		{"count word", count(func(f *Filter) { f.Search = "word4711" })},
		{"stats hourly by platform", stats(Statistics{By: ByPlatform, Interval: time.Hour}, func(*Filter) {})},
		{"stats top devices of a day", stats(Statistics{By: ByDevice}, func(f *Filter) { f.Start, f.End = mid, mid+24*hourMs-1 })},
		{"stats top devices", stats(Statistics{By: ByDevice}, func(*Filter) {})},
		{"stats actions of a device", stats(Statistics{By: ByAction}, func(f *Filter) { f.Device = "device700" })},
		{"stats target types", stats(Statistics{By: ByTargetType}, func(*Filter) {})},
	} {
		b.Run(tc.name, func(b *testing.B) {
			ctx := clickhouse.Context(b.Context())
			took := make([]time.Duration, 0, b.N)
			for b.Loop() {
				start := time.Now()
				if err := tc.do(ctx); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			slices.SortFunc(took, cmp.Compare)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		})
	}
	var parts uint64
	_ = tables.Conn.QueryRow(b.Context(), "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'activity' AND active").Scan(&parts)
	b.Logf("%d entries in %d parts", rows, parts)
}
