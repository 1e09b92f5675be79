package paneltest

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/data/sqlutil"
	"github.com/grafana/sqlds/v5"
)

// driver connects to ClickHouse as Grafana's data source does when its protocol is HTTP: with clickhouse-go and gzip.
type driver struct{ options *clickhouse.Options }

// Connect is that of sqlds.Driver.
func (d driver) Connect(ctx context.Context, _ backend.DataSourceInstanceSettings, _ json.RawMessage) (*sql.DB, error) {
	db := clickhouse.OpenDB(d.options)
	return db, db.PingContext(ctx)
}

// Settings is that of sqlds.Driver: the data source leaves gaps of time series empty.
func (d driver) Settings(context.Context, backend.DataSourceInstanceSettings) sqlds.DriverSettings {
	return sqlds.DriverSettings{Timeout: time.Minute, FillMode: &data.FillMissing{Mode: data.FillModeNull}}
}

// Macros is that of sqlds.Driver: package macropro expands them instead.
func (d driver) Macros() sqlds.Macros { return nil }

// Converters is that of sqlds.Driver. Frames have no arrays, so an array becomes JSON.
func (d driver) Converters() []sqlutil.Converter {
	array := sqlutil.Converter{
		Name: "array", InputScanType: reflect.TypeFor[any](), InputTypeRegex: regexp.MustCompile(`^(Array|Map|Tuple)\(`),
		FrameConverter: sqlutil.FrameConverter{
			FieldType: data.FieldTypeJSON,
			ConverterFunc: func(in any) (any, error) {
				text, err := json.Marshal(*in.(*any))
				return json.RawMessage(text), err
			},
		},
	}
	return []sqlutil.Converter{
		array, nullable[string]("(LowCardinality\\()?String", data.FieldTypeNullableString),
		nullable[time.Time]("Date", data.FieldTypeNullableTime), nullable[float64]("Float64", data.FieldTypeNullableFloat64),
	}
}

// nullable converts values of a type that may be NULL.
func nullable[T any](kind string, field data.FieldType) sqlutil.Converter {
	return sqlutil.Converter{
		Name: "nullable " + kind, InputScanType: reflect.TypeFor[**T](), InputTypeRegex: regexp.MustCompile(`^Nullable\(` + kind),
		FrameConverter: sqlutil.FrameConverter{
			FieldType: field,
			ConverterFunc: func(in any) (any, error) {
				value := *in.(**T)
				if value == nil {
					return value, nil
				}
				copied := *value // the next row takes the place of this one
				return &copied, nil
			},
		},
	}
}

// Tables asks ClickHouse as Grafana's data source does.
type Tables struct {
	source   *sqlds.SQLDatasource
	settings backend.DataSourceInstanceSettings
}

// OpenTables connects to ClickHouse over HTTP.
func OpenTables(ctx context.Context, addr, database, user, password string) (*Tables, error) {
	backend.Logger = log.NewNullLogger() // a failed query is an error of Run
	t := &Tables{settings: backend.DataSourceInstanceSettings{UID: "clickhouse", Name: "ClickHouse", Type: ClickHouse}}
	t.source = sqlds.NewDatasource(driver{&clickhouse.Options{
		Addr: []string{addr}, Protocol: clickhouse.HTTP, Compression: &clickhouse.Compression{Method: clickhouse.CompressionGZIP},
		Auth:        clickhouse.Auth{Database: database, Username: user, Password: password},
		DialTimeout: 10 * time.Second, ReadTimeout: time.Minute,
	}})
	t.source.Interpolator = func(_ context.Context, q *sqlutil.Query, _ json.RawMessage) (string, error) { return expand(q) }
	if _, err := t.source.NewDatasource(ctx, t.settings); err != nil {
		return nil, fmt.Errorf("connect to ClickHouse: %w", err)
	}
	return t, nil
}

// Close ends the connections.
func (t *Tables) Close() { t.source.Dispose() }

// Run runs the JSON of a query.
func (t *Tables) Run(ctx context.Context, query json.RawMessage, from, to time.Time, step time.Duration) (data.Frames, error) {
	res, err := t.source.QueryData(ctx, &backend.QueryDataRequest{
		PluginContext: backend.PluginContext{DataSourceInstanceSettings: &t.settings},
		Queries: []backend.DataQuery{{
			RefID: "A", JSON: query, Interval: step, MaxDataPoints: width, TimeRange: backend.TimeRange{From: from, To: to},
		}},
	})
	if err != nil {
		return nil, err
	}
	return res.Responses["A"].Frames, res.Responses["A"].Error
}
