package consumer

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// command is a delete with the offset of its record.
type command struct {
	*activitypb.Command
	match  schema.Match // what Command.Match means
	offset int64
}

// commandOf reads a delete command. An unknown field is an error: ignoring a condition would delete more entries than were meant. A
// missing id is an error, too: the id ensures that the command counts only once.
func commandOf(c *activitypb.Command, offset int64) (command, error) {
	switch {
	case len(c.Id) != 16 || c.Tenant == "":
		return command{}, fmt.Errorf("%w: a command without an id of 16 bytes or without a tenant", schema.ErrRecord)
	case unknown(c):
		return command{}, fmt.Errorf("%w: a command with fields of a newer version", schema.ErrRecord)
	case c.Match == nil:
		return command{Command: c, offset: offset}, nil
	case len(c.Refs) > 0:
		return command{}, fmt.Errorf("%w: a command with both refs and a match", schema.ErrRecord)
	}
	m, err := schema.MatchOf(c.Match)
	if err == nil && m == (schema.Match{}) {
		err = fmt.Errorf("%w: a command whose match has no condition", schema.ErrRecord) // a command for all entries has no match
	}
	return command{c, m, offset}, err
}

func unknown(c *activitypb.Command) bool {
	for _, r := range c.Refs {
		if len(r.ProtoReflect().GetUnknown()) > 0 {
			return true
		}
	}
	return len(c.ProtoReflect().GetUnknown()) > 0
}

// erase applies a batch's deletes, in their order. It subtracts the entries from the rollups before it deletes them, under the
// token of the command: a replay that finds no entries subtracts nothing, and one that finds them still there repeats the same
// token, which ClickHouse drops. Consecutive deletes of different entries share one statement.
func (p *partition) erase(ctx context.Context, a *assembly, b *batch) error {
	for commands := a.commands; len(commands) > 0; {
		n := together(commands)
		if err := p.eraseTogether(ctx, a, b, commands[:n]); err != nil {
			return err
		}
		commands = commands[n:]
	}
	return nil
}

// together returns how many of the first commands name different entries of one tenant. Commands that name the same entry must
// not share a statement: both would subtract it from the rollups, under two tokens.
func together(commands []command) int {
	seen := map[uint64]bool{}
	for i, c := range commands {
		if c.Tenant != commands[0].Tenant || len(c.Refs) == 0 {
			return max(1, i)
		}
		for _, r := range c.Refs {
			if seen[r.Id] {
				return max(1, i)
			}
		}
		for _, r := range c.Refs {
			seen[r.Id] = true
		}
		if len(seen) >= maxRefs {
			return i + 1
		}
	}
	return len(commands)
}

func (p *partition) eraseTogether(ctx context.Context, a *assembly, b *batch, commands []command) error {
	if err := p.at(beforeDelete); err != nil {
		return err
	}
	var where []condition
	for _, c := range commands {
		if err := p.fold(ctx, c); err != nil {
			return err
		}
		for i, refs := range chunked(c.Refs) {
			cond := p.condition(c, refs)
			where = append(where, cond)
			token := fmt.Sprintf("%s:%d:%d", hex.EncodeToString(c.Id), p.number, i)
			if first, _, moved := p.moved(c); moved {
				token += fmt.Sprintf(":%d", first) // the command may have been applied before, under the offsets of an earlier log
			}
			if err := p.subtract(ctx, c, cond, token); err != nil {
				return err
			}
		}
	}
	if err := p.at(afterSubtract); err != nil {
		return err
	}
	for _, cond := range chunkedStatements(where) {
		if err := p.lookUpGone(ctx, a, b, commands[0].Tenant, cond); err != nil {
			return err
		}
		if err := p.remove(ctx, commands[0].Tenant, cond); err != nil {
			return err
		}
	}
	p.metric.deletes.Add(float64(len(commands)))
	return p.at(afterDelete)
}

// fold fills the column folded of rows that c searches and that an older version wrote. Otherwise the query service could do it between the
// two halves of c, and c would remove other entries from the table than from the rollups.
func (p *partition) fold(ctx context.Context, c command) error {
	if c.match.Search == "" {
		return nil
	}
	m := c.match
	m.Search = ""
	var where tables.Clauses
	where.Add("tenant = {tenant:String}", "tenant", c.Tenant)
	where.Add("kpart = {partition:UInt16}", "partition", uint16(p.number))
	before := p.before(c)
	if _, end, moved := p.moved(c); moved {
		before = uint64(end)
	}
	where.Add("koff < {before:UInt64}", "before", before)
	where.Match(m)
	for left := true; left; {
		err := p.reachClickHouse(ctx, "fold search text", func(ctx context.Context) error {
			n, err := tables.Fold(ctx, p.conn, where)
			left = err != nil
			if n > 0 && ctx.Err() != nil {
				return nil // too many for one attempt; go on
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// maxRefs keeps a statement under ClickHouse's max_query_size, 256 KiB.
const maxRefs = 1000

// chunked divides refs into chunks of at most maxRefs, one for each statement. Without refs, which means every
// entry, it returns one empty chunk.
func chunked(refs []*activitypb.Ref) [][]*activitypb.Ref {
	var out [][]*activitypb.Ref
	for len(refs) > maxRefs {
		out, refs = append(out, refs[:maxRefs]), refs[maxRefs:]
	}
	return append(out, refs)
}

// condition is an SQL condition that a command's entries meet, besides their tenant, with the server parameters that it names. A
// value that a caller chose is never part of the text.
type condition struct {
	text   string
	params map[string]string // param_<name>, as sink.Exec takes them
	args   []any             // the same, as a query takes them
}

// before returns the offset before which a command's entries are: its own, or a lower one that it names. A command that was
// written for other tables names one of their offsets. It reaches no entry that these tables had before they adopted the log.
func (p *partition) before(c command) uint64 {
	if c.Before < p.source.Foreign {
		return 0
	}
	return uint64(max(0, min(c.Before, c.offset)))
}

// moved returns the range of entries before c whose absolute offsets have changed since c named them: their log was replaced by another one
// and came back. The tables had lost these entries, so they were read and stored again under new offsets.
func (p *partition) moved(c command) (first, end int64, moved bool) {
	return p.source.Moved(p.number, c.offset, c.Before)
}

// condition covers only entries before the command's own offset.
func (p *partition) condition(c command, refs []*activitypb.Ref) condition {
	cond := fmt.Sprintf("kpart = %d AND koff < %d", p.number, p.before(c))
	if first, end, moved := p.moved(c); moved {
		cond = fmt.Sprintf("kpart = %d AND (koff < %d OR koff >= %d AND koff < %d)", p.number, p.before(c), first, end)
	}
	if c.Match != nil {
		var m tables.Clauses
		m.Match(c.match)
		return condition{cond + " AND " + strings.Join(m.Conds, " AND "), params(m.Args), m.Args}
	}
	if len(refs) == 0 {
		return condition{text: cond}
	}
	var times, ids []string
	for _, r := range refs {
		times = append(times, "fromUnixTimestamp64Milli("+strconv.FormatInt(r.Timestamp, 10)+", 'UTC')")
		ids = append(ids, strconv.FormatUint(r.Id, 10))
	}
	return condition{text: cond + " AND timestamp IN (" + strings.Join(times, ",") + ") AND id IN (" + strings.Join(ids, ",") + ")"}
}

// params are named values as ClickHouse reads them over HTTP.
func params(named []any) map[string]string {
	out := map[string]string{}
	for _, a := range named {
		v := a.(driver.NamedValue)
		out["param_"+v.Name] = escape(fmt.Sprint(v.Value))
	}
	return out
}

// countErased stores how many entries a command deletes.
const countErased = `INSERT INTO erased (command, at, received, entries)
SELECT {command:UUID}, now64(3), toDate(received_at) AS d, count()
FROM activity WHERE %s GROUP BY d`

// subtractSettings make the INSERT one block, whatever its size: a token covers one block of each table partition.
var subtractSettings = map[string]string{
	"insert_deduplicate": "1", "async_insert": "0", "max_partitions_per_insert_block": "0",
	"max_block_size": "1000000000", "max_insert_block_size": "1000000000",
	"min_insert_block_size_rows": "1000000000", "min_insert_block_size_bytes": "0",
	"max_insert_threads": "1", "use_statistics": "0", "wait_end_of_query": "1",
}

// subtract subtracts the command's entries from the rollups and, if the command asks for it, stores their number.
func (p *partition) subtract(ctx context.Context, c command, cond condition, token string) error {
	own := map[string]string{"param_tenant": escape(c.Tenant)}
	maps.Copy(own, cond.params)
	where := "tenant = {tenant:String} AND " + cond.text
	type statement struct{ table, query string }
	var all []statement
	for _, r := range tables.Rollups {
		all = append(all, statement{r.Table, r.Subtract(where)})
	}
	if c.Counted {
		all = append(all, statement{"erased", fmt.Sprintf(countErased, where)})
		own["param_command"] = uuid.UUID(c.Id).String()
	}
	for _, s := range all {
		own["insert_deduplication_token"] = token + ":" + s.table
		err := p.reachClickHouse(ctx, "subtract from "+s.table, func(ctx context.Context) error {
			return p.sink.Exec(ctx, s.query, subtractSettings, own)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// remove deletes the entries by a patch part, in 15 ms; a mutation takes 1.2 s. It must never drop parts: their deduplication log
// would be dropped with them, and a replay would bring the entries back.
func (p *partition) remove(ctx context.Context, tenant string, cond condition) error {
	query := "DELETE FROM activity WHERE tenant = {tenant:String} AND (" + cond.text + ")"
	settings := map[string]string{"lightweight_delete_mode": "lightweight_update", "param_tenant": escape(tenant), "wait_end_of_query": "1"}
	return p.reachClickHouse(ctx, "delete", func(ctx context.Context) error { return p.sink.Exec(ctx, query, settings, cond.params) })
}

// escape writes a parameter's value as ClickHouse reads it over HTTP: in the format TabSeparated.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`).Replace(s)
}

// chunkedStatements joins conditions into statements of bounded length. A condition with parameters is never joined with another:
// only a single command has one.
func chunkedStatements(conds []condition) []condition {
	const most = 200 << 10
	out := conds[:1:1]
	for _, c := range conds[1:] {
		if last := &out[len(out)-1]; len(last.text)+len(c.text) < most {
			last.text += " OR " + c.text
			continue
		}
		out = append(out, c)
	}
	return out
}
