package consumer

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sort"

	"github.com/activitylog/activitylog/ingest/consumer/internal/block"
	"github.com/activitylog/activitylog/ingest/consumer/internal/early"
	"github.com/activitylog/activitylog/ingest/consumer/internal/repeat"
	"github.com/activitylog/activitylog/ingest/consumer/internal/validate"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// recovery lists what ClickHouse already holds of a batch's range of offsets. It exists where the range begins at or below an offset that
// was stored or counted before.
type recovery struct {
	stored   map[block.Location]early.Identity
	entities int64 // watermark of by_entity: it has counted up to this offset
	kinds    int64 // watermark of by_kind
}

// decided reports whether row's batch was stored completely before, perhaps without by_kind. by_entity is written after the entries, and
// its watermark covers whole batches.
func (r *recovery) decided(row *block.Row) bool {
	return r != nil && row.Location.Offset <= r.entities
}

// has reports whether row is stored. Then an earlier try decided that it was new.
func (r *recovery) has(row *block.Row) bool {
	if r == nil {
		return false
	}
	_, stored := r.stored[row.Location]
	return stored
}

// deadLetter is a record or an entry that could not be stored.
type deadLetter struct {
	location block.Location
	reason   string
	value    []byte // a record
}

const dayMillis = 24 * 3600 * 1000

// outcomes counts a batch's entries by outcome.
type outcomes struct {
	stored    int
	repeated  int // written twice by a producer
	keyed     int // repeats of an event key
	recovered int // stored before, by an earlier try
	erased    int // an earlier try decided about them, and they are absent: deleted since, or never stored

	renumbered int // of the stored ones: those with another id than the collector assigned
}

// assembly turns a batch's records into the blocks that are stored. It keeps its memory from batch to batch.
type assembly struct {
	partition int
	blocks    *repeat.Blocks
	keys      *repeat.KeyBatch
	recovery  *recovery // nil where nothing can have been stored
	early     *early.Lookup

	entries  block.Entries
	kinds    block.Kinds
	entities block.Entities
	commands []command
	dead     []deadLetter
	outcomes outcomes
	counted  struct{ entities, kinds int } // entries given to each rollup
	rejected int                           // rows that ClickHouse refused
	clash    bool                          // at a stored location the log has another entry: offsets have been used twice
	of       int                           // how many partitions the topic has, as far as is known; 0 if unknown
	astray   bool                          // an event key belongs to another of these partitions
	gone     map[repeat.Place]bool         // entries of before the end of the batch that are not in the tables any more
	checksum uint32
	given    map[block.Location]uint64 // ids of renumbered entries

	message activitypb.ActivityBatch
	scratch []byte
}

// reset prepares a for a batch of one partition.
func (a *assembly) reset(partition int, blocks *repeat.Blocks, keys *repeat.KeyBatch, rec *recovery, ids *early.Lookup) {
	a.partition, a.blocks, a.keys, a.recovery, a.early = partition, blocks, keys, rec, ids
	clear(a.given)
	a.entries.Reset(partition)
	a.kinds.Reset()
	a.entities.Reset()
	clear(a.dead)
	a.commands, a.dead = a.commands[:0], a.dead[:0]
	a.outcomes, a.clash, a.checksum, a.scratch = outcomes{}, false, 0, a.scratch[:0]
	a.of, a.astray = 0, false
	clear(a.gone)
	a.counted.entities, a.counted.kinds, a.rejected = 0, 0, 0
}

// add decodes every record of b into the blocks. The blocks of the rollups share memory with the records.
func (a *assembly) add(b *batch) {
	for i := range b.records {
		a.addRecord(&b.records[i])
	}
	a.sum()
}

// token returns the batch's deduplication token for ClickHouse. It consists of the batch's range of offsets and a checksum of its ids, in case
// the offsets are ever used again. Every try of a range has the same token, whatever has been stored meanwhile.
func (a *assembly) token(topic string, b *batch) string {
	return fmt.Sprintf("%s:%d:%d-%d:%08x", topic, a.partition, b.first, b.last, a.checksum)
}

func (a *assembly) addRecord(r *record) {
	m := &a.message
	m.ResetVT()
	if err := schema.DecodeRecord(r.value, m); err != nil {
		a.deadRecord(r, err.Error())
		return
	}
	if m.Command != nil {
		a.addCommand(r, m.Command)
		m.Command = nil
	}
	if !eachEntry(a.partition, r, m, a.addEntry) {
		a.deadRecord(r, "more entries than a record may have")
	}
}

// deadRecord sends a whole record to dead letters.
func (a *assembly) deadRecord(r *record, reason string) {
	a.dead = append(a.dead, deadLetter{block.Location{Offset: r.offset}, reason, r.value})
}

func (a *assembly) addCommand(r *record, c *activitypb.Command) {
	cmd, err := commandOf(c, r.offset)
	if err != nil {
		a.deadRecord(r, err.Error())
		return
	}
	a.commands = append(a.commands, cmd)
}

// eachEntry calls f for each entry of a decoded record. The rows are the same every time the record is read. If the record has more entries
// than can be numbered it returns false, without a call.
func eachEntry(partition int, r *record, m *activitypb.ActivityBatch, f func(*block.Row, *activitypb.Chunk)) bool {
	total := 0
	for _, c := range m.Chunks {
		total += len(c.Entries)
	}
	if total > maxRecordEntries {
		return false
	}
	index := 0
	for _, c := range m.Chunks {
		row := block.Row{Tenant: c.Tenant, ReceivedAt: c.ReceivedAt}
		if row.ReceivedAt == 0 {
			row.ReceivedAt = r.at
		}
		for i, e := range c.Entries {
			row.Entry, row.Location, row.ID = e, block.Location{Offset: r.offset, Index: uint16(index)}, c.FirstId+uint64(i)
			if c.FirstId == 0 { // of a producer that makes no ids
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

// pick decodes the rows [from, to) of the entries' block again, for the few batches that ClickHouse does not accept whole.
func (a *assembly) pick(b *batch, from, to int, f func(*block.Row)) {
	var m activitypb.ActivityBatch
	for next := from; next < to; {
		offset := a.entries.Location(next).Offset
		i := sort.Search(len(b.records), func(i int) bool { return b.records[i].offset >= offset })
		m.ResetVT()
		before := next
		if err := schema.DecodeRecord(b.records[i].value, &m); err != nil {
			return // cannot happen: this record was decoded before
		}
		eachEntry(a.partition, &b.records[i], &m, func(row *block.Row, _ *activitypb.Chunk) {
			if next < to && row.Location == a.entries.Location(next) {
				if id, ok := a.given[row.Location]; ok {
					row.ID = id
				}
				f(row)
				next++
			}
		})
		if next == before {
			return // impossible as well
		}
	}
}

// addEntry decides whether an entry is stored, dropped or sent to dead letters.
func (a *assembly) addEntry(row *block.Row, c *activitypb.Chunk) {
	if reason := validate.Entry(row, c.FirstId != 0); reason != "" {
		a.reject(row, reason)
		return
	}
	lookUp := c.FirstId != 0 && a.early.Has(row)
	if c.FirstId != 0 && a.blocks.Repeated(row.ID) && !lookUp {
		a.outcomes.repeated++
		return
	}
	a.noteID(row.ID)
	if lookUp && a.identify(row) {
		return
	}
	if a.recovery.decided(row) {
		a.recognise(row, c.Keyed)
		return
	}
	if c.Keyed && !a.recovery.has(row) && a.refuseKey(row) {
		return
	}
	if a.recovery == nil {
		a.store(row)
		return
	}
	a.recover(row, c.Keyed)
}

// identify looks up an entry whose id was leased before the epoch, and says whether it is stored already. If another entry has the
// id, row gets a new one.
func (a *assembly) identify(row *block.Row) (stored bool) {
	id := row.ID
	if a.early.Take(a.partition, row) {
		a.outcomes.repeated++
		return true
	}
	if row.ID != id {
		if a.given == nil {
			a.given = map[block.Location]uint64{}
		}
		a.given[row.Location] = row.ID
		a.outcomes.renumbered++
	}
	return false
}

func (a *assembly) store(row *block.Row) {
	a.outcomes.stored++
	a.entries.Append(row)
	a.countEntities(row)
	a.countKinds(row)
}

// marks reports whether the watermark of by_entity rises to the end of b. The batch may have dropped an entry because it repeats one that a
// delete removes, now or later. If the log is read again, only the watermark shows that the dropped entry must not be stored.
func (a *assembly) marks(b *batch) bool { return a.counted.entities > 0 || b.keyed }

func (a *assembly) countEntities(row *block.Row) {
	a.counted.entities++
	a.entities.Add(row, 1)
}

func (a *assembly) countKinds(row *block.Row) {
	a.counted.kinds++
	a.kinds.Add(row, 1)
}

// recognise looks up an entry that an earlier try of the batch decided about. If it is absent, it was deleted since, or was never stored.
// There is no new decision: the entries that it was compared with may have been deleted, too.
func (a *assembly) recognise(row *block.Row, keyed bool) {
	entry, stored := a.recovery.stored[row.Location]
	switch {
	case !stored:
		a.outcomes.erased++
		return
	case !a.same(entry, row):
		a.clash = true
		return
	}
	a.outcomes.recovered++
	a.noteKey(row, keyed)
	if row.Location.Offset > a.recovery.kinds {
		a.countKinds(row)
	}
}

// noteKey remembers the key of the stored row, so that a later entry with the same key counts as a repetition.
func (a *assembly) noteKey(row *block.Row, keyed bool) {
	if key, ok := a.keyOf(row); keyed && ok {
		a.keys.Repeated(key)
	}
}

// same reports whether the entry that is stored at row's location is row. A renumbered entry has another id.
func (a *assembly) same(entry early.Identity, row *block.Row) bool {
	return entry.Received == row.ReceivedAt && (entry.ID == row.ID || a.early.Has(row) || a.given[row.Location] != 0)
}

// recover stores an entry that is not stored yet.
func (a *assembly) recover(row *block.Row, keyed bool) {
	r := a.recovery
	switch entry, stored := r.stored[row.Location]; {
	case stored && !a.same(entry, row):
		a.clash = true
		return
	case stored:
		a.outcomes.recovered++
		a.noteKey(row, keyed)
	default:
		a.outcomes.stored++
		a.entries.Append(row)
	}
	a.countEntities(row)
	if row.Location.Offset > r.kinds {
		a.countKinds(row)
	}
}

// refuseKey reports whether an earlier entry had row's event key. If the two entries differ, row becomes a dead letter: it was
// acknowledged, so it must not be lost.
func (a *assembly) refuseKey(row *block.Row) bool {
	key, ok := a.keyOf(row)
	if !ok {
		return false
	}
	a.astray = a.astray || a.of > 0 && schemakafka.PartitionOf(key.Hash[:], a.of) != a.partition
	repeated, conflict := a.keys.Repeated(key)
	if conflict {
		a.reject(row, "its event key was given to another entry before")
	} else if repeated {
		a.outcomes.keyed++
	}
	return repeated
}

// keyOf returns row's event key; false if it has none.
func (a *assembly) keyOf(row *block.Row) (repeat.Key, bool) {
	key, ok := repeat.KeyOf(row.Extra)
	key.Tenant, key.ReceivedAt, key.Place = row.Tenant, row.ReceivedAt, a.place(row.Location)
	return key, ok
}

func (a *assembly) place(l block.Location) repeat.Place {
	return repeat.Place{Partition: a.partition, Offset: l.Offset, Index: l.Index}
}

// lost notes that the entry at l is not in the tables: a later one with its event key is not a repetition.
func (a *assembly) lost(l block.Location) {
	if a.gone == nil {
		a.gone = map[repeat.Place]bool{}
	}
	a.gone[a.place(l)] = true
}

// reject sends an entry to dead letters, as a record that holds it alone and can be produced again.
func (a *assembly) reject(row *block.Row, reason string) {
	one := &activitypb.ActivityBatch{Version: schema.RecordVersion, Chunks: []*activitypb.Chunk{{
		FirstId: row.ID, ReceivedAt: row.ReceivedAt, Tenant: row.Tenant, Entries: []*activitypb.Entry{row.Entry},
	}}}
	value, err := one.MarshalVT()
	if err != nil {
		reason += "; and " + err.Error()
	}
	a.dead = append(a.dead, deadLetter{row.Location, reason, value})
}

// noteID adds id to the checksum.
func (a *assembly) noteID(id uint64) {
	a.scratch = binary.LittleEndian.AppendUint64(a.scratch, id)
	if len(a.scratch) >= 4<<10 {
		a.sum()
	}
}

func (a *assembly) sum() {
	a.checksum = crc32.Update(a.checksum, crc32.IEEETable, a.scratch)
	a.scratch = a.scratch[:0]
}
