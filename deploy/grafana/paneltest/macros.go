package paneltest

import (
	"fmt"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data/sqlutil"
	"github.com/grafana/macropro"
)

type (
	macroContext = macropro.QueryContext[struct{}]
	macro        = macropro.MacroFunc[struct{}]
)

// macros are those of Grafana's ClickHouse data source, as its manual describes them. Its backend cannot be imported: it is not
// published as a module. The parser, package macropro, is the one that it uses. The page's $__conditionalAll is not among them.
var macros = macropro.MacroMap[struct{}]{
	"fromTime":        plain(func(c macroContext) string { return seconds(c.TimeRange.From) }),
	"toTime":          plain(func(c macroContext) string { return seconds(c.TimeRange.To) }),
	"fromTime_ms":     plain(func(c macroContext) string { return millis(c.TimeRange.From) }),
	"toTime_ms":       plain(func(c macroContext) string { return millis(c.TimeRange.To) }),
	"interval_s":      plain(func(c macroContext) string { return fmt.Sprint(max(int(c.Interval.Seconds()), 1)) }),
	"timeFilter":      between(seconds),
	"timeFilter_ms":   between(millis),
	"dateFilter":      between(day),
	"dateTimeFilter":  dateTimeFilter,
	"dt":              dateTimeFilter,
	"timeInterval":    bucket("toStartOfInterval(toDateTime(%s), INTERVAL %d second)", time.Second),
	"timeInterval_ms": bucket("toStartOfInterval(toDateTime64(%s, 3), INTERVAL %d millisecond)", time.Millisecond),
}

func seconds(t time.Time) string { return fmt.Sprintf("toDateTime(%d)", t.Unix()) }
func millis(t time.Time) string  { return fmt.Sprintf("fromUnixTimestamp64Milli(%d)", t.UnixMilli()) }
func day(t time.Time) string     { return fmt.Sprintf("toDate('%s')", t.Format(time.DateOnly)) }

func plain(text func(macroContext) string) macro {
	return func(c macroContext, _ []string) (string, error) { return text(c), nil }
}

func between(literal func(time.Time) string) macro {
	return func(c macroContext, args []string) (string, error) {
		if len(args) != 1 {
			return "", fmt.Errorf("want 1 column, got %d", len(args))
		}
		return fmt.Sprintf("%[1]s >= %[2]s AND %[1]s <= %[3]s", args[0], literal(c.TimeRange.From), literal(c.TimeRange.To)), nil
	}
}

func dateTimeFilter(c macroContext, args []string) (string, error) {
	if len(args) != 2 {
		return "", fmt.Errorf("want a column of dates and one of times, got %d", len(args))
	}
	dates, _ := between(day)(c, args[:1])
	times, _ := between(seconds)(c, args[1:])
	return fmt.Sprintf("(%s) AND (%s)", dates, times), nil
}

func bucket(form string, unit time.Duration) macro {
	return func(c macroContext, args []string) (string, error) {
		if len(args) != 1 {
			return "", fmt.Errorf("want 1 column, got %d", len(args))
		}
		return fmt.Sprintf(form, args[0], max(int64(c.Interval/unit), 1)), nil
	}
}

// expand replaces the macros of a query.
func expand(q *sqlutil.Query) (string, error) {
	return macropro.Interpolate(q.RawSQL, macros, macroContext{
		TimeRange: macropro.TimeRange{From: q.TimeRange.From.UTC(), To: q.TimeRange.To.UTC()},
		Interval:  q.Interval, IntervalMS: q.Interval.Milliseconds(),
	})
}
