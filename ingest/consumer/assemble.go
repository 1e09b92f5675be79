package consumer

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/go-faster/jx"

	"github.com/activitylog/activitylog/ingest/consumer/internal/block"
	"github.com/activitylog/activitylog/ingest/consumer/internal/repeat"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
)

// recovery is what ClickHouse holds of a batch's range, where it holds anything beyond the batch's first offset.
type recovery struct {
	stored   map[block.Place]uint64 // ids by place
	ids      map[uint64]struct{}    // all stored ids that may be the batch's; set where offsets have been used twice
	entities int64                  // by_entity has counted up to this offset
	kinds    int64                  // by_kind has
}

// reused says that offsets have been used twice: the log lost its end and grew again.
func (r *recovery) reused() bool { return r.ids != nil }

// decided says whether a batch with row was stored before to its end. The counts of entities come last but one and are
// those of whole batches.
func (r *recovery) decided(row *block.Row) bool {
	return r != nil && !r.reused() && row.Place.Offset <= r.entities
}

// letter is what could not be stored.
type letter struct {
	place  block.Place
	reason string
	value  []byte // a record
}

const dayMillis = 24 * 3600 * 1000

// tally counts what a batch's entries came to.
type tally struct {
	stored, repeated, keyed, recovered, erased int
}

// assembly turns a batch's records into what is stored. It keeps its memory from batch to batch.
type assembly struct {
	partition int
	blocks    *repeat.Blocks
	keys      *repeat.KeyBatch
	recovery  *recovery // nil where nothing can have been stored

	entries  block.Entries
	kinds    block.Kinds
	entities block.Entities
	commands []command
	letters  []letter
	tally    tally
	counted  struct{ entities, kinds int } // rows given to each rollup
	rejected int                           // rows that ClickHouse refused
	clash    bool                          // a stored place holds another id than the log: offsets have been used twice
	checksum uint32

	message activitypb.ActivityBatch
	scratch []byte
}

// reset prepares a for a batch of one partition.
func (a *assembly) reset(partition int, blocks *repeat.Blocks, keys *repeat.KeyBatch, rec *recovery) {
	a.partition, a.blocks, a.keys, a.recovery = partition, blocks, keys, rec
	a.entries.Reset(partition)
	a.kinds.Reset()
	a.entities.Reset()
	clear(a.letters)
	a.commands, a.letters = a.commands[:0], a.letters[:0]
	a.tally, a.clash, a.checksum, a.scratch = tally{}, false, 0, a.scratch[:0]
	a.counted.entities, a.counted.kinds, a.rejected = 0, 0, 0
}

// add takes every record of b. The blocks of rollups share memory with the records.
func (a *assembly) add(b *batch) {
	for i := range b.records {
		a.addRecord(&b.records[i])
	}
	a.sum()
}

// token names the batch for ClickHouse: its range, and the ids in it, should its offsets ever be used again. Every attempt
// at a range has the same, because what has been stored meanwhile is not looked at.
func (a *assembly) token(topic string, b *batch) string {
	return fmt.Sprintf("%s:%d:%d-%d:%08x", topic, a.partition, b.first, b.last, a.checksum)
}

func (a *assembly) addRecord(r *record) {
	m := &a.message
	m.ResetVT()
	if err := schema.DecodeRecord(r.value, m); err != nil {
		a.letters = append(a.letters, letter{block.Place{Offset: r.offset}, err.Error(), r.value})
		return
	}
	if m.Command != nil {
		a.addCommand(r, m.Command)
		m.Command = nil
	}
	if !rowsOf(a.partition, r, m, a.addRow) {
		a.letters = append(a.letters, letter{block.Place{Offset: r.offset}, "more entries than a record may have", r.value})
	}
}

func (a *assembly) addCommand(r *record, c *activitypb.Command) {
	cmd, err := commandOf(c, r.offset)
	if err != nil {
		a.letters = append(a.letters, letter{block.Place{Offset: r.offset}, err.Error(), r.value})
		return
	}
	a.commands = append(a.commands, cmd)
}

// rowsOf calls f for each entry of a decoded record, with the same row however often the record is read; not at all and
// false if it has more entries than can be numbered.
func rowsOf(partition int, r *record, m *activitypb.ActivityBatch, f func(*block.Row, *activitypb.Chunk)) bool {
	total := 0
	for _, c := range m.Chunks {
		total += len(c.Entries)
	}
	if total > maxRecordRows {
		return false
	}
	index := 0
	for _, c := range m.Chunks {
		row := block.Row{Tenant: c.Tenant, ReceivedAt: c.ReceivedAt}
		if row.ReceivedAt == 0 {
			row.ReceivedAt = r.at
		}
		for i, e := range c.Entries {
			row.Entry, row.Place, row.ID = e, block.Place{Offset: r.offset, Index: uint16(index)}, c.FirstId+uint64(i)
			if c.FirstId == 0 { // another producer's
				row.ID = schema.ForeignID(partition, r.offset)
				if e.Timestamp == 0 {
					e.Timestamp = row.ReceivedAt
				}
			}
			f(&row, c)
			index++
		}
	}
	return true
}

// pick decodes the rows [from, to) of the entries' block again, for the few batches that are not taken as a whole.
func (a *assembly) pick(b *batch, from, to int, f func(*block.Row)) {
	var m activitypb.ActivityBatch
	for next := from; next < to; {
		place := a.entries.Place(next)
		i := sort.Search(len(b.records), func(i int) bool { return b.records[i].offset >= place.Offset })
		m.ResetVT()
		before := next
		if err := schema.DecodeRecord(b.records[i].value, &m); err != nil {
			return // impossible: it has been decoded before
		}
		rowsOf(a.partition, &b.records[i], &m, func(row *block.Row, _ *activitypb.Chunk) {
			if next < to && row.Place == a.entries.Place(next) {
				f(row)
				next++
			}
		})
		if next == before {
			return // as impossible
		}
	}
}

func (a *assembly) addRow(row *block.Row, c *activitypb.Chunk) {
	if reason := fault(row, c.FirstId != 0); reason != "" {
		a.reject(row, reason)
		return
	}
	if c.FirstId != 0 && a.blocks.Repeated(row.ID) {
		a.tally.repeated++
		return
	}
	a.note(row.ID)
	if a.recovery.decided(row) {
		a.recognise(row, c.Keyed)
		return
	}
	if c.Keyed && a.refuseKey(row) {
		return
	}
	if a.recovery == nil {
		a.store(row)
		return
	}
	a.recover(row)
}

func (a *assembly) store(row *block.Row) {
	a.tally.stored++
	a.entries.Append(row)
	a.countEntities(row)
	a.countKinds(row)
}

func (a *assembly) countEntities(row *block.Row) {
	a.counted.entities++
	a.entities.Add(row, 1)
}

func (a *assembly) countKinds(row *block.Row) {
	a.counted.kinds++
	a.kinds.Add(row, 1)
}

// recognise finds out what became of a row that was decided about before. One that is absent was deleted since, or never
// stored: nothing about it is decided again, because the entries that it was compared with may have been deleted as well.
func (a *assembly) recognise(row *block.Row, keyed bool) {
	id, stored := a.recovery.stored[row.Place]
	switch {
	case !stored:
		a.tally.erased++
		return
	case id != row.ID:
		a.clash = true
		return
	}
	a.tally.recovered++
	if key, ok := keyOf(row); keyed && ok {
		a.keys.Repeated(key) // so that others of the batch are compared with it
	}
	if row.Place.Offset > a.recovery.kinds {
		a.countKinds(row)
	}
}

// recover stores what is not stored yet. Where offsets have been used twice only the ids can tell.
func (a *assembly) recover(row *block.Row) {
	r := a.recovery
	if r.reused() {
		if _, ok := r.ids[row.ID]; ok {
			a.tally.recovered++
			return
		}
		a.store(row)
		return
	}
	switch id, stored := r.stored[row.Place]; {
	case stored && id != row.ID:
		a.clash = true
		return
	case stored:
		a.tally.recovered++
	default:
		a.tally.stored++
		a.entries.Append(row)
	}
	a.countEntities(row)
	if row.Place.Offset > r.kinds {
		a.countKinds(row)
	}
}

// refuseKey says whether another entry had row's event key. One that differs from it was acknowledged all the same, so it
// is put aside with the reason instead of being lost.
func (a *assembly) refuseKey(row *block.Row) bool {
	key, ok := keyOf(row)
	if !ok {
		return false
	}
	repeated, conflict := a.keys.Repeated(key)
	if conflict {
		a.reject(row, "its event key was given to another entry before")
	} else if repeated {
		a.tally.keyed++
	}
	return repeated
}

// keyOf is row's event key; false if it has none.
func keyOf(row *block.Row) (repeat.Key, bool) {
	key, ok := repeat.KeyOf(row.Extra)
	key.Tenant, key.ReceivedAt, key.Offset = row.Tenant, row.ReceivedAt, row.Place.Offset
	return key, ok
}

// reject puts row aside, as a record that holds it alone and can be sent again.
func (a *assembly) reject(row *block.Row, reason string) {
	one := &activitypb.ActivityBatch{Version: schema.RecordVersion, Chunks: []*activitypb.Chunk{{
		FirstId: row.ID, ReceivedAt: row.ReceivedAt, Tenant: row.Tenant, Entries: []*activitypb.Entry{row.Entry},
	}}}
	value, err := one.MarshalVT()
	if err != nil {
		reason += "; and " + err.Error()
	}
	a.letters = append(a.letters, letter{row.Place, reason, value})
}

// note takes id into the checksum.
func (a *assembly) note(id uint64) {
	a.scratch = binary.LittleEndian.AppendUint64(a.scratch, id)
	if len(a.scratch) >= 4<<10 {
		a.sum()
	}
}

func (a *assembly) sum() {
	a.checksum = crc32.Update(a.checksum, crc32.IEEETable, a.scratch)
	a.scratch = a.scratch[:0]
}

// fault says what is wrong with an entry; empty if nothing is. Our collectors have looked already, other producers may not.
func fault(r *block.Row, identified bool) string {
	switch {
	case r.Action == "":
		return "no action"
	case r.Tenant == "" || len(r.Tenant) > schema.MaxNameBytes:
		return "no tenant, or too long a one"
	case r.ID > schema.MaxID:
		return "an id above 2^53-1"
	case !identified && r.Place.Index > 0:
		return "no id"
	case r.Timestamp < schema.MinTimestamp || r.Timestamp > schema.MaxTimestamp:
		return "a timestamp outside of 1970 to 2105"
	case r.ReceivedAt < schema.MinTimestamp || r.ReceivedAt > schema.MaxTimestamp:
		return "a receive time outside of 1970 to 2105"
	case len(r.Targets) > schema.MaxTargets:
		return "too many targets"
	case len(r.Details) > schema.MaxDetailsBytes || len(r.Extra) > schema.MaxDetailsBytes:
		return "details too long"
	case len(r.Details) > 0 && (r.Details[0] != '{' || !jx.Valid(r.Details) || !utf8.Valid(r.Details)):
		return "details that are not a JSON object"
	}
	return textFault(r)
}

func textFault(r *block.Row) string {
	for _, s := range [...]string{r.Tenant, r.Action, r.Platform, r.Device, r.ActorId, r.ActorName, r.ActorKind, r.RequestId} {
		if len(s) > schema.MaxNameBytes || !isText(s) {
			return "a text that is too long, holds NUL or is not UTF-8"
		}
	}
	if len(r.Detail) > schema.MaxDetailBytes || !isText(r.Detail) {
		return "a detail that is too long, holds NUL or is not UTF-8"
	}
	for _, t := range r.Targets {
		kind, id, ok := strings.Cut(t, "\x00")
		if !ok || kind == "" || id == "" || len(t) > 2*schema.MaxNameBytes+1 || !isText(kind) || !isText(id) {
			return "a target that is not a type, NUL and an id"
		}
	}
	return ""
}
