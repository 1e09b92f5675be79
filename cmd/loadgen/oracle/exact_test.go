package oracle

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// Two entries, one of which has everything that by_entity counts, and their rollups.
var exactRows = []string{
	`INSERT INTO activity (tenant, timestamp, id, received_at, action, platform, device, actor_id, actor_name, targets, detail, kpart, koff, kidx) VALUES
	 ('default', '2026-01-02 03:04:05.678', 7, '2026-01-05 00:00:00', 'post', 'x', 'SN-1', 'u1', '', ['thing\0 9', 'room\0 1', 'thing\0 8', 'thing\0 9'], 'a #00000000 b', 1, 5, 0),
	 ('default', '2026-01-02 04:04:05.678', 8, '2026-01-05 00:00:00', 'like', 'x', '', '', 'ann', [], '', 1, 5, 1)`,
	`INSERT INTO by_kind (tenant, hour, platform, action, received, kpart, koff_to, n) VALUES
	 ('default', '2026-01-02 03:00:00', 'x', 'post', '2026-01-05', 1, 5, 2), ('default', '2026-01-02 03:00:00', 'x', 'post', '2026-01-05', 1, 0, -1),
	 ('default', '2026-01-02 04:00:00', 'x', 'like', '2026-01-05', 1, 5, 1)`,
	`INSERT INTO by_entity (tenant, kind, entity, hour, received, koff_to, n) VALUES
	 ('default', 'device', 'SN-1', '2026-01-02 03:00:00', '2026-01-05', 5, 1), ('default', 'actor', 'u1', '2026-01-02 03:00:00', '2026-01-05', 5, 1),
	 ('default', 'name', 'u1', '2026-01-02 03:00:00', '2026-01-05', 5, 1), ('default', 'target', 'thing', '2026-01-02 03:00:00', '2026-01-05', 5, 1),
	 ('default', 'target', 'room', '2026-01-02 03:00:00', '2026-01-05', 5, 1),
	 ('default', 'name', 'ann', '2026-01-02 04:00:00', '2026-01-05', 5, 1), ('', '', '1', '1970-01-01 00:00:00', '2026-01-05', 5, 0)`,
}

func TestExactSeesEachKindOfFault(t *testing.T) {
	for name, c := range map[string]struct {
		fault string
		want  Exact
	}{
		"exact":          {"", Exact{Rows: 2, IDs: 2, Positions: 2}},
		"id twice":       {`INSERT INTO activity (tenant, timestamp, id, received_at, kpart, koff, kidx) SELECT tenant, timestamp, id, received_at, 2, 1, 1 FROM activity WHERE id = 8`, Exact{Rows: 3, IDs: 2, Positions: 3, ByKind: 1, Violations: 2}},
		"location twice": {`INSERT INTO activity (tenant, timestamp, id, received_at, kpart, koff, kidx) SELECT tenant, timestamp, 9, received_at, kpart, koff, kidx FROM activity WHERE id = 8`, Exact{Rows: 3, IDs: 3, Positions: 2, ByKind: 1, Violations: 2}},
		"by_kind":        {`INSERT INTO by_kind (tenant, hour, platform, action, received, kpart, n) VALUES ('default', '2026-01-02 04:00:00', 'x', 'like', '2026-01-05', 1, 1)`, Exact{Rows: 2, IDs: 2, Positions: 2, ByKind: 1, Violations: 1}},
		"by_entity":      {`INSERT INTO by_entity (tenant, kind, entity, hour, received, n) VALUES ('default', 'device', 'SN-2', '2026-01-02 04:00:00', '2026-01-05', 1)`, Exact{Rows: 2, IDs: 2, Positions: 2, ByEntity: 1, Violations: 1}},
		"by_entity, a type for each of its targets": {`INSERT INTO by_entity (tenant, kind, entity, hour, received, n) VALUES ('default', 'target', 'thing', '2026-01-02 03:00:00', '2026-01-05', 2)`, Exact{Rows: 2, IDs: 2, Positions: 2, ByEntity: 1, Violations: 1}},
		"by_entity, a type left out":                {`INSERT INTO by_entity (tenant, kind, entity, hour, received, n) VALUES ('default', 'target', 'room', '2026-01-02 03:00:00', '2026-01-05', -1)`, Exact{Rows: 2, IDs: 2, Positions: 2, ByEntity: 1, Violations: 1}},
		"by_entity, the id beside the name":         {`INSERT INTO by_entity (tenant, kind, entity, hour, received, n) VALUES ('default', 'name', 'u2', '2026-01-02 04:00:00', '2026-01-05', 1)`, Exact{Rows: 2, IDs: 2, Positions: 2, ByEntity: 1, Violations: 1}},
		"dead letter":                               {`INSERT INTO dead_letters (kpart, koff, kidx, at, reason) VALUES (1, 1, 1, '2026-01-05 00:00:00', 'bad')`, Exact{Rows: 2, IDs: 2, Positions: 2, Dead: 1, Violations: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			s := database(t)
			today := time.Now().UTC().Format(time.DateOnly) // a day of receipt long ago would be past its retention
			for _, sql := range append(slices.Clone(exactRows), c.fault) {
				if sql == "" {
					continue
				}
				sql = strings.ReplaceAll(sql, "2026-01-05", today)
				if err := s.Exec(t.Context(), sql, nil); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			if got, err := s.Exact(t.Context()); err != nil || got != c.want {
				t.Errorf("Exact() = %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

func database(t *testing.T) *Server {
	t.Helper()
	dsn := testbed.ClickHouse(t)
	opts, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tables.Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dsn, "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}
