package erase

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/schema"
)

// logErasure writes x into the table of erasures.
func logErasure(ctx context.Context, d *db.DB, x *erasure) error {
	err := d.Exec(ctx, db.Statement{
		Text: `INSERT INTO erasures (id, tenant, at, by, what, position, entries)
SELECT {id:UUID}, {tenant:String}, fromUnixTimestamp64Milli({at:Int64}, 'UTC'), {by:String}, {what:String}, {position:String}, {entries:UInt64}`,
		Args: []any{
			clickhouse.Named("id", x.id.String()), clickhouse.Named("tenant", x.by.Tenant), clickhouse.Named("at", x.at.UnixMilli()),
			clickhouse.Named("by", x.by.Subject), clickhouse.Named("what", x.what), clickhouse.Named("position", x.before.String()),
			clickhouse.Named("entries", x.entries),
		},
	})
	if err != nil {
		return fmt.Errorf("log an erasure: %w", err)
	}
	return nil
}

// countErased returns how many of the entries that the commands of x removed were received on the day since or later.
func countErased(ctx context.Context, d *db.DB, x *erasure, since string) (n uint64, err error) {
	ids := make([]string, 0, len(x.before))
	for partition := range x.before {
		ids = append(ids, x.commandID(partition).String())
	}
	q := db.Statement{
		Text: "SELECT sum(entries) FROM erased WHERE command IN {commands:Array(UUID)} AND received >= {floor:Date}",
		Args: []any{clickhouse.Named("commands", ids), clickhouse.Named("floor", since)},
	}
	if err := d.One(ctx, x.by.Tenant, q, &n); err != nil {
		return 0, fmt.Errorf("count what was erased: %w", err)
	}
	return n, nil
}

// describe returns m in words, for people who read the log of erasures.
func describe(m schema.Match) string {
	var all []string
	add := func(name, value string) {
		if value != "" {
			all = append(all, name+" "+strconv.Quote(value))
		}
	}
	at := func(name string, ms int64) {
		if ms != 0 {
			all = append(all, name+" "+time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z"))
		}
	}
	add("platform", m.Platform)
	add("device", m.Device)
	add("action", m.Action)
	add("actor", m.ActorID)
	add("actor kind", m.ActorKind)
	add("actor kind other than", m.NotActorKind)
	add("username", m.Username)
	for _, t := range m.Targets {
		add("target type", t.Type)
		add("target", t.ID)
		add("or of the type", t.Else)
	}
	add("request", m.RequestID)
	add("words", m.Search)
	at("time from", m.Start)
	at("time to", m.End)
	at("received before", m.ReceivedBefore)
	return strings.Join(all, ", ")
}
