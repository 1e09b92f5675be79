package block

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/cespare/xxhash/v2"

	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// Entities counts entries by tenant, kind, entity, hour and day of receipt, for by_entity. Reset it before its first use.
// Its hash table holds only the entities, each with the count of its newest hour, which nearly every entry counts in. The
// earlier hours of an entity are a linked list. Names are copied into memory of their own: in the records of a batch, some
// 30 MB, each comparison would miss the caches.
type Entities struct {
	tenants dict
	names   []entityName
	text    []byte
	past    []entityHour
	slots   []uint64 // upper half: that of the name's hash; lower half: the name's number + 1, 0 for a free slot
	order   []sortable
	scratch []entityHour
}

type entityName struct {
	at, size uint32 // in the text
	group    uint32 // tenant and kind
	entityHour
}

// entityHour counts the entries of one entity in one hour.
type entityHour struct {
	older uint32 // number + 1 of the next entityHour of the list, 0 at its end
	when
	n int64
}

// groupOf returns the tenant's key and the kind in one number. Kinds are ordered as their names are, by which by_entity is sorted.
func groupOf(tenant uint32, kind tables.Kind) uint32 { return tenant<<kindBits | uint32(kind) }

func kindOf(group uint32) tables.Kind { return tables.Kind(group & (1<<kindBits - 1)) }

const kindBits = 3

// Reset empties e and keeps its memory.
func (e *Entities) Reset() {
	e.tenants.reset()
	e.tenants.key("") // of the watermark
	clear(e.slots)
	e.names, e.past, e.text = e.names[:0], e.past[:0], e.text[:0]
}

// Add counts r n times. It keeps no reference to r.
func (e *Entities) Add(r *Row, n int64) {
	at, tenant := whenOf(r), e.tenants.key(r.Tenant)
	for kind := tables.KindActor; kind < tables.KindTarget; kind++ {
		if entity := kind.Value(r.Entry); entity != "" {
			e.add(groupOf(tenant, kind), entity, at, n)
		}
	}
	for i := range r.Targets {
		if kind, counts := tables.TargetType(r.Targets, i); counts {
			e.add(groupOf(tenant, tables.KindTarget), kind, at, n)
		}
	}
}

// nearby bounds the search in an entity's past hours for the one to count in. An hour that is not found gets a second row, which
// the table adds to the first: entries without any order would search through thousands.
const nearby = 8

func (e *Entities) add(group uint32, entity string, at when, n int64) {
	name, found := e.name(group, entity)
	if !found {
		name.when, name.n = at, n
		return
	}
	switch {
	case name.when == at:
		name.n += n
	case name.before(at):
		e.past = append(e.past, name.entityHour)
		name.entityHour = entityHour{uint32(len(e.past)), at, n}
	default:
		e.addPast(name, at, n)
	}
}

func (w when) before(v when) bool { return w.hour < v.hour || w.hour == v.hour && w.day < v.day }

// addPast counts in an hour before the entity's newest.
func (e *Entities) addPast(name *entityName, at when, n int64) {
	next := name.older
	for range nearby {
		if next == 0 {
			break
		}
		h := &e.past[next-1]
		if h.when == at {
			h.n += n
			return
		}
		next = h.older
	}
	e.past = append(e.past, entityHour{name.older, at, n})
	name.older = uint32(len(e.past))
}

// name returns the entity of the group, and whether it was present before.
func (e *Entities) name(group uint32, entity string) (name *entityName, found bool) {
	if 2*len(e.names) >= len(e.slots) {
		e.grow()
	}
	hash := hashOf(group, entity)
	mask := uint64(len(e.slots) - 1)
	for at := hash & mask; ; at = (at + 1) & mask {
		slot := e.slots[at]
		if slot == 0 {
			e.names = append(e.names, entityName{at: uint32(len(e.text)), size: uint32(len(entity)), group: group})
			e.text = append(e.text, entity...)
			e.slots[at] = hash>>32<<32 | uint64(len(e.names))
			return &e.names[len(e.names)-1], false
		}
		if slot>>32 != hash>>32 {
			continue
		}
		if n := &e.names[uint32(slot)-1]; n.group == group && string(e.textOf(n)) == entity {
			return n, true
		}
	}
}

func (e *Entities) textOf(n *entityName) []byte { return e.text[n.at : n.at+n.size] }

func (e *Entities) grow() {
	e.slots = make([]uint64, max(1<<10, 2*len(e.slots)))
	mask := uint64(len(e.slots) - 1)
	for i := range e.names {
		hash := hashOf(e.names[i].group, string(e.textOf(&e.names[i])))
		at := hash & mask
		for e.slots[at] != 0 {
			at = (at + 1) & mask
		}
		e.slots[at] = hash>>32<<32 | uint64(i+1)
	}
}

func hashOf(group uint32, entity string) uint64 {
	h := (xxhash.Sum64String(entity) ^ uint64(group)) * 0x9e3779b97f4a7c15
	return h ^ h>>29
}

// Blocks returns the counts by rising week of receipt. Each must be inserted before the next, and each is in the order of the
// table, so that the server need not sort it. The last one has the watermark: the offset up to which the partition has been
// counted. day, in days since 1970, is the watermark's if there are no counts.
func (e *Entities) Blocks(partition int, last, day int64) []Block {
	blocks, newest := e.weeks(day)
	blocks[Week(newest*dayMillis)].add(e.tenants.key(""), tables.KindWatermark, []byte(strconv.Itoa(partition)), entityHour{when: when{day: uint16(newest)}}, uint64(last))
	e.sort()
	for _, s := range e.order {
		n := &e.names[s.number]
		for _, h := range e.hoursOf(n) {
			if h.n != 0 {
				blocks[Week(int64(h.day)*dayMillis)].add(n.group>>kindBits, kindOf(n.group), e.textOf(n), h, 0)
			}
		}
	}
	return inOrder(blocks, func(*entityBlock, bool) {})
}

// weeks returns an empty block for each week that has counts, and the newest day, which is the watermark's.
func (e *Entities) weeks(day int64) (blocks map[int64]*entityBlock, newest int64) {
	blocks = map[int64]*entityBlock{}
	see := func(h *entityHour) {
		if h.n == 0 || len(blocks) > 0 && int64(h.day) == newest {
			return
		}
		if week := Week(int64(h.day) * dayMillis); blocks[week] == nil {
			blocks[week] = &entityBlock{tenant: e.tenants.share()}
			blocks[week].grow(len(e.names) + len(e.past) + 1) // nearly always one week's
		}
		newest = max(newest, int64(h.day))
	}
	for i := range e.names {
		see(&e.names[i].entityHour)
	}
	for i := range e.past {
		see(&e.past[i])
	}
	if len(blocks) == 0 {
		newest = day
		blocks[Week(day*dayMillis)] = &entityBlock{tenant: e.tenants.share()}
	}
	return blocks, newest
}

// sortable is the sort key of a name: its tenant and kind, and the beginning of its text.
type sortable struct {
	prefix        uint64
	group, number uint32
}

// sort puts e.order into the order of the table: by tenant, kind and entity, as texts.
func (e *Entities) sort() {
	tenants := e.tenants.ranks()
	e.order = e.order[:0]
	for i := range e.names {
		n := &e.names[i]
		e.order = append(e.order, sortable{prefixOf(e.textOf(n)), groupOf(tenants[n.group>>kindBits], kindOf(n.group)), uint32(i)})
	}
	slices.SortFunc(e.order, func(a, b sortable) int {
		if a.group != b.group {
			return cmp.Compare(a.group, b.group)
		}
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		return bytes.Compare(e.textOf(&e.names[a.number]), e.textOf(&e.names[b.number]))
	})
}

// prefixOf returns the first 8 bytes of text as a number. The numbers are ordered as the texts are.
func prefixOf(text []byte) uint64 {
	if len(text) >= 8 {
		return binary.BigEndian.Uint64(text)
	}
	var b [8]byte
	copy(b[:], text)
	return binary.BigEndian.Uint64(b[:])
}

// hoursOf returns the name's counts by rising hour and day. The slice is valid until the next call.
func (e *Entities) hoursOf(n *entityName) []entityHour {
	e.scratch = append(e.scratch[:0], n.entityHour)
	if n.older == 0 {
		return e.scratch
	}
	for next := n.older; next != 0; next = e.past[next-1].older {
		e.scratch = append(e.scratch, e.past[next-1])
	}
	slices.Reverse(e.scratch) // most of them were added by rising time
	slices.SortFunc(e.scratch, func(a, b entityHour) int {
		return cmp.Or(cmp.Compare(a.hour, b.hour), cmp.Compare(a.day, b.day))
	})
	return e.scratch
}

type entityBlock struct {
	tenant, kind dict
	entity       text
	hour         proto.ColDateTime
	day          proto.ColDate
	to           proto.ColUInt64
	n            proto.ColInt64
}

// grow makes room for n rows.
func (b *entityBlock) grow(n int) {
	const typical = 16 // bytes of a name and its length
	b.tenant.keys, b.kind.keys = make([]uint32, 0, n), make([]uint32, 0, n)
	b.entity.buf = make([]byte, 0, typical*n)
	b.hour.Data = make([]proto.DateTime, 0, n)
	b.day, b.to, b.n = make(proto.ColDate, 0, n), make(proto.ColUInt64, 0, n), make(proto.ColInt64, 0, n)
}

func (b *entityBlock) add(tenant uint32, kind tables.Kind, entity []byte, h entityHour, to uint64) {
	b.tenant.appendKey(tenant)
	b.kind.appendKey(b.kind.key(kind.String()))
	b.entity.appendBytes(entity)
	b.hour.Data = append(b.hour.Data, proto.DateTime(h.hour))
	b.day = append(b.day, proto.Date(h.day))
	b.to = append(b.to, to)
	b.n = append(b.n, h.n)
}

func (b *entityBlock) Rows() int { return len(b.n) }

func (b *entityBlock) Columns() proto.Input {
	return proto.Input{
		{Name: "tenant", Data: b.tenant.column()},
		{Name: "kind", Data: b.kind.column()},
		{Name: "entity", Data: &b.entity},
		{Name: "hour", Data: b.hour},
		{Name: "received", Data: b.day},
		{Name: "koff_to", Data: b.to},
		{Name: "n", Data: b.n},
	}
}
