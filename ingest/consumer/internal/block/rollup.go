package block

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/cespare/xxhash/v2"
)

const (
	hourMillis = 3600 * 1000
	dayMillis  = 24 * hourMillis
)

// What by_entity counts by. An entry that has none of one is not counted there.
const (
	KindDevice = "device"
	KindActor  = "actor"  // by actor id
	KindName   = "name"   // by account name, else by actor id
	KindTarget = "target" // by the type of a target; an entry counts once for each type that it has
)

// Week is the Monday, in days since 1970, of the week that a moment (Unix ms) lies in: how every table is partitioned.
func Week(ms int64) int64 {
	day := ms / dayMillis
	return max(0, day-(day+3)%7) // 1970-01-01 was a Thursday
}

type when struct {
	hour uint32 // of the entry's time, Unix s
	day  uint16 // of receipt, since 1970
}

func whenOf(r *Row) when {
	return when{hour: uint32(r.Timestamp / hourMillis * 3600), day: uint16(r.ReceivedAt / dayMillis)}
}

// Kinds counts entries by tenant, hour, platform, action and day of receipt, for by_kind. Its zero value is ready. It is a
// hash table of its own, as Entities is, and gives its rows in the order in which they came.
type Kinds struct {
	tenants, platforms, actions dict
	rows                        []kindRow
	slots                       []uint32 // a row's number + 1, 0 for a free slot
}

type kindKey struct {
	when
	tenant, platform, action uint32
}

// Reset empties k and keeps its memory.
func (k *Kinds) Reset() {
	k.tenants.reset()
	k.platforms.reset()
	k.actions.reset()
	clear(k.slots)
	k.rows = k.rows[:0]
}

// Add counts r n times.
func (k *Kinds) Add(r *Row, n int64) {
	key := kindKey{whenOf(r), k.tenants.key(r.Tenant), k.platforms.key(r.Platform), k.actions.key(r.Action)}
	if 2*len(k.rows) >= len(k.slots) {
		k.grow()
	}
	at, found := k.find(&key)
	if found {
		k.rows[k.slots[at]-1].n += n
		return
	}
	k.rows = append(k.rows, kindRow{key, n})
	k.slots[at] = uint32(len(k.rows))
}

// find is the slot of key, or the free one that it belongs into.
func (k *Kinds) find(key *kindKey) (at uint64, found bool) {
	mask := uint64(len(k.slots) - 1)
	for at = key.hash() & mask; k.slots[at] != 0; at = (at + 1) & mask {
		if k.rows[k.slots[at]-1].kindKey == *key {
			return at, true
		}
	}
	return at, false
}

func (k *Kinds) grow() {
	k.slots = make([]uint32, max(1<<10, 2*len(k.slots)))
	for i := range k.rows {
		at, _ := k.find(&k.rows[i].kindKey)
		k.slots[at] = uint32(i + 1)
	}
}

func (k *kindKey) hash() uint64 {
	h := (uint64(k.hour)<<32 | uint64(k.platform)<<16 ^ uint64(k.action)) * 0x9e3779b97f4a7c15
	h = (h ^ h>>32 ^ uint64(k.tenant)<<16 ^ uint64(k.day)) * 0x9e3779b97f4a7c15
	return h ^ h>>32
}

// Blocks are the counts by rising week of receipt, each to be inserted before the next. The last one carries the offset up
// to which the partition has been counted: only when it is stored are all of them.
func (k *Kinds) Blocks(partition int, last int64) []Block {
	weeks := map[int64]*kindBlock{}
	for _, r := range k.rows {
		if r.n == 0 {
			continue
		}
		week := Week(int64(r.day) * dayMillis)
		b := weeks[week]
		if b == nil {
			b = &kindBlock{from: k}
			weeks[week] = b
		}
		b.rows = append(b.rows, r)
	}
	return inOrder(weeks, func(b *kindBlock, final bool) { b.finish(partition, last, final) })
}

type kindRow struct {
	kindKey
	n int64
}

type kindBlock struct {
	from                     *Kinds
	rows                     []kindRow
	tenant, platform, action dict
	hour                     proto.ColDateTime
	day                      proto.ColDate
	part                     proto.ColUInt16
	to                       proto.ColUInt64
	n                        proto.ColInt64
}

func (b *kindBlock) finish(partition int, last int64, final bool) {
	b.tenant, b.platform, b.action = b.from.tenants.share(), b.from.platforms.share(), b.from.actions.share()
	for _, r := range b.rows {
		b.tenant.appendKey(r.tenant)
		b.platform.appendKey(r.platform)
		b.action.appendKey(r.action)
		b.hour.Data = append(b.hour.Data, proto.DateTime(r.hour))
		b.day = append(b.day, proto.Date(r.day))
		b.part = append(b.part, uint16(partition))
		b.to = append(b.to, upTo(last, final))
		b.n = append(b.n, r.n)
	}
}

// share is a dictionary of the same values without rows.
func (c *dict) share() dict { return dict{index: c.index, values: c.values} }

func upTo(last int64, final bool) uint64 {
	if !final {
		return 0
	}
	return uint64(last)
}

func (b *kindBlock) Rows() int { return len(b.rows) }

func (b *kindBlock) Columns() proto.Input {
	return proto.Input{
		{Name: "tenant", Data: b.tenant.column()},
		{Name: "hour", Data: b.hour},
		{Name: "platform", Data: b.platform.column()},
		{Name: "action", Data: b.action.column()},
		{Name: "received", Data: b.day},
		{Name: "kpart", Data: b.part},
		{Name: "koff_to", Data: b.to},
		{Name: "n", Data: b.n},
	}
}

// Entities counts entries by tenant, kind, entity, hour and day of receipt, for by_entity. Reset it before its first use.
// It is a hash table of its own: with a Go map it took two thirds of a batch's CPU.
type Entities struct {
	tenants dict
	rows    []entityRow
	slots   []uint64 // upper half: that of the row's hash; lower half: the row's number + 1, 0 for a free slot
}

type entityKey struct {
	when
	kind   uint8
	tenant uint32
	entity string
}

type entityRow struct {
	entityKey
	n int64
}

var kinds = [...]string{"", KindDevice, KindActor, KindName, KindTarget}

// Reset empties e and keeps its memory.
func (e *Entities) Reset() {
	e.tenants.reset()
	e.tenants.key("") // the marker's
	clear(e.rows)
	clear(e.slots)
	e.rows = e.rows[:0]
}

// Add counts r n times. The strings of r are kept until Reset.
func (e *Entities) Add(r *Row, n int64) {
	key := entityKey{when: whenOf(r), tenant: e.tenants.key(r.Tenant)}
	name := r.ActorName
	if name == "" {
		name = r.ActorId
	}
	for kind, entity := range [...]string{1: r.Device, 2: r.ActorId, 3: name} {
		if entity != "" {
			key.kind, key.entity = uint8(kind), entity
			e.add(&key, n)
		}
	}
	key.kind = 4
	for i, t := range r.Targets {
		if key.entity, _, _ = strings.Cut(t, "\x00"); !hasType(r.Targets[:i], key.entity) {
			e.add(&key, n)
		}
	}
}

func hasType(targets []string, kind string) bool {
	return slices.ContainsFunc(targets, func(t string) bool {
		return len(t) > len(kind) && t[:len(kind)] == kind && t[len(kind)] == 0
	})
}

func (e *Entities) add(key *entityKey, n int64) {
	if 2*len(e.rows) >= len(e.slots) {
		e.grow()
	}
	hash := key.hash()
	mask := uint64(len(e.slots) - 1)
	for at := hash & mask; ; at = (at + 1) & mask {
		slot := e.slots[at]
		if slot == 0 {
			e.rows = append(e.rows, entityRow{*key, n})
			e.slots[at] = hash>>32<<32 | uint64(len(e.rows))
			return
		}
		if slot>>32 != hash>>32 {
			continue
		}
		if row := &e.rows[uint32(slot)-1]; row.entityKey == *key {
			row.n += n
			return
		}
	}
}

func (e *Entities) grow() {
	e.slots = make([]uint64, max(1<<10, 2*len(e.slots)))
	mask := uint64(len(e.slots) - 1)
	for i := range e.rows {
		hash := e.rows[i].hash()
		at := hash & mask
		for e.slots[at] != 0 {
			at = (at + 1) & mask
		}
		e.slots[at] = hash>>32<<32 | uint64(i+1)
	}
}

func (k *entityKey) hash() uint64 {
	h := xxhash.Sum64String(k.entity) ^ (uint64(k.hour)<<32 | uint64(k.day)<<16 | uint64(k.kind)<<8)
	h = (h ^ uint64(k.tenant)) * 0x9e3779b97f4a7c15
	return h ^ h>>29
}

// Blocks are the counts by rising week of receipt, each to be inserted before the next. The last one ends with the marker
// that says up to which offset the partition has been counted; day, in days since 1970, is the marker's when no row has one.
func (e *Entities) Blocks(partition int, last, day int64) []Block {
	weeks := map[int64]*entityBlock{}
	for i := range e.rows {
		r := &e.rows[i]
		if r.n == 0 {
			continue
		}
		week := Week(int64(r.day) * dayMillis)
		b := weeks[week]
		if b == nil {
			b = &entityBlock{tenant: e.tenants.share()}
			b.grow(len(e.rows) - i + 1) // nearly always one week's
			weeks[week] = b
		}
		b.add(&r.entityKey, 0, r.n)
	}
	if len(weeks) == 0 {
		weeks[0] = &entityBlock{tenant: e.tenants.share()}
	}
	return inOrder(weeks, func(b *entityBlock, final bool) {
		if !final {
			return
		}
		if len(b.day) > 0 {
			day = int64(b.day[0])
		}
		b.add(&entityKey{when: when{day: uint16(day)}, tenant: e.tenants.key(""), entity: strconv.Itoa(partition)}, uint64(last), 0)
	})
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
	const typical = 16 // bytes of a name with its length
	b.tenant.keys, b.kind.keys = make([]uint32, 0, n), make([]uint32, 0, n)
	b.entity.buf = make([]byte, 0, typical*n)
	b.hour.Data = make([]proto.DateTime, 0, n)
	b.day, b.to, b.n = make(proto.ColDate, 0, n), make(proto.ColUInt64, 0, n), make(proto.ColInt64, 0, n)
}

func (b *entityBlock) add(key *entityKey, to uint64, n int64) {
	b.tenant.appendKey(key.tenant)
	b.kind.appendKey(b.kind.key(kinds[key.kind]))
	b.entity.append(key.entity)
	b.hour.Data = append(b.hour.Data, proto.DateTime(key.hour))
	b.day = append(b.day, proto.Date(key.day))
	b.to = append(b.to, to)
	b.n = append(b.n, n)
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

// inOrder gives the blocks by rising week after finish has seen each, told which one is the last.
func inOrder[B Block](weeks map[int64]B, finish func(b B, final bool)) []Block {
	order := make([]int64, 0, len(weeks))
	for w := range weeks {
		order = append(order, w)
	}
	slices.Sort(order)
	out := make([]Block, 0, len(order))
	for i, w := range order {
		finish(weeks[w], i == len(order)-1)
		out = append(out, weeks[w])
	}
	return out
}
