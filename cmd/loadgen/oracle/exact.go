package oracle

import (
	"context"
	"fmt"
)

// Exact has counts that show whether the tables are consistent.
type Exact struct {
	Rows       int64 `json:"rows"`
	IDs        int64 `json:"ids"`             // distinct
	Positions  int64 `json:"positions"`       // distinct (kpart, koff, kidx)
	ByKind     int64 `json:"by_kind_wrong"`   // groups in which by_kind differs from the entries
	ByEntity   int64 `json:"by_entity_wrong"` // the same for by_entity
	Dead       int64 `json:"dead_letters"`
	Violations int   `json:"violations"`
}

const countsSQL = `SELECT count(), uniqExact(id), uniqExact(kpart, koff, kidx) FROM activity`

// The entries count +1 and the rollup counts -n: the sum of every group must be 0.
const byKindSQL = `SELECT count() FROM (
  SELECT sum(x) AS d FROM (
    SELECT toString(tenant) AS t, toUnixTimestamp(toStartOfHour(toDateTime(timestamp, 'UTC'))) AS h, toString(platform) AS p, toString(action) AS a,
           toDate(received_at, 'UTC') AS r, kpart AS k, toInt64(1) AS x FROM activity
    UNION ALL
    SELECT toString(tenant), toUnixTimestamp(hour), toString(platform), toString(action), received, kpart, -n FROM by_kind
  ) GROUP BY t, h, p, a, r, k HAVING d != 0)`

// What an entry counts as in by_entity is written here a second time, on purpose, and in another way than the service has it
// (schema/clickhouse/rollup.go): a mistake there must not be a mistake here. An entry counts for its device, for its account by
// id, for its account by name or else by id, and for each type of its targets once, however many targets of it there are.
const byEntitySQL = `WITH e AS (
    SELECT toString(tenant) AS t, toUnixTimestamp(toStartOfHour(toDateTime(timestamp, 'UTC'))) AS h, toDate(received_at, 'UTC') AS r,
           device, actor_id, actor_name, targets, (id, kpart, koff, kidx) AS entry FROM activity
  )
SELECT count() FROM (
  SELECT sum(x) AS d FROM (
    SELECT t, h, r, 'device' AS k, device AS v, toInt64(1) AS x FROM e WHERE notEmpty(device)
    UNION ALL
    SELECT t, h, r, 'actor', actor_id, 1 FROM e WHERE notEmpty(actor_id)
    UNION ALL
    SELECT t, h, r, 'name', actor_name, 1 FROM e WHERE notEmpty(actor_name)
    UNION ALL
    SELECT t, h, r, 'name', actor_id, 1 FROM e WHERE empty(actor_name) AND notEmpty(actor_id)
    UNION ALL
    SELECT t, h, r, 'target', type, 1 FROM (
      SELECT DISTINCT t, h, r, entry, substring(target, 1, position(target, '\0') - 1) AS type FROM e ARRAY JOIN targets AS target)
    UNION ALL
    SELECT toString(tenant), toUnixTimestamp(hour), received, toString(kind), entity, -n FROM by_entity WHERE kind != ''
  ) GROUP BY t, h, r, k, v HAVING d != 0)`

// Exact checks the tables.
func (s *Server) Exact(ctx context.Context) (Exact, error) {
	var e Exact
	for _, q := range []struct {
		sql  string
		into []*int64
	}{
		{countsSQL, []*int64{&e.Rows, &e.IDs, &e.Positions}},
		{byKindSQL, []*int64{&e.ByKind}},
		{byEntitySQL, []*int64{&e.ByEntity}},
		{`SELECT count() FROM dead_letters FINAL`, []*int64{&e.Dead}},
	} {
		numbers, err := s.Numbers(ctx, q.sql)
		if err != nil {
			return e, fmt.Errorf("check the tables: %w", err)
		}
		for i, into := range q.into {
			*into = numbers[i]
		}
	}
	for _, wrong := range []bool{e.IDs != e.Rows, e.Positions != e.Rows, e.ByKind != 0, e.ByEntity != 0, e.Dead != 0} {
		if wrong {
			e.Violations++
		}
	}
	return e, nil
}
