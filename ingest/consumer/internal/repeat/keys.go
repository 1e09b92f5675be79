package repeat

import (
	"slices"
	"strings"
	"time"

	"github.com/activitylog/activitylog/schema/activitypb"
)

// Place is where an entry lies in Kafka.
type Place struct {
	Partition int
	Offset    int64
	Index     uint16
}

// Key is an event key, with what distinguishes a repetition from a different entry with the same key.
type Key struct {
	Tenant     string
	Hash       [16]byte
	Body       uint64 // hash of the entry
	ReceivedAt int64  // Unix ms
	Place      Place
}

// KeyOf returns the event key in an entry's extra; false if it has none.
func KeyOf(extra []byte) (Key, bool) {
	if len(extra) == 0 {
		return Key{}, false
	}
	var x activitypb.Extra
	if err := x.UnmarshalVTUnsafe(extra); err != nil || len(x.EventKey) != 16 {
		return Key{}, false
	}
	return Key{Hash: [16]byte(x.EventKey), Body: x.BodyHash}, true
}

type keyID struct {
	tenant string
	hash   [16]byte
}

func (k *Key) id() keyID { return keyID{k.Tenant, k.Hash} }

// Keys remembers the newest event keys of one partition, at most Max of them, each for Window.
type Keys struct {
	Window time.Duration
	Max    int

	loaded bool
	since  int64 // Unix ms; keys of entries received earlier were not loaded
	full   bool  // older keys were dropped because Max was reached
	byID   map[keyID]Key
	order  []Key // the oldest first
}

// Since returns the receive time from which k must know all keys in order to decide about an entry received at receivedAt (both Unix ms).
func (k *Keys) Since(receivedAt int64) int64 { return max(0, receivedAt-k.Window.Milliseconds()) }

// Know says whether k knows the keys of all entries received from since on.
func (k *Keys) Know(since int64) bool { return k.loaded && k.since <= since }

// Loaded says whether k knows any keys, so that they have to be kept up to date.
func (k *Keys) Loaded() bool { return k.loaded }

// Forget forgets all keys. They must be loaded before k is used again.
func (k *Keys) Forget() { k.loaded, k.full, k.byID, k.order = false, false, nil, nil }

// Load sets the keys: the newest that the partition has received from since on, at most Max, the newest first.
func (k *Keys) Load(since int64, newestFirst []Key) {
	k.loaded, k.since, k.full = true, since, len(newestFirst) >= k.Max
	order := slices.Clone(newestFirst)
	slices.Reverse(order)
	k.index(order)
}

func (k *Keys) index(order []Key) {
	k.byID, k.order = make(map[keyID]Key, len(order)), order
	for _, key := range order {
		k.byID[key.id()] = key
	}
}

// Remove forgets the keys of entries that are no longer in the tables. If older keys were dropped before because Max was reached, it
// forgets all keys: only a new load can bring back the newest of the dropped ones.
func (k *Keys) Remove(gone map[Place]bool) {
	if !k.loaded || len(gone) == 0 {
		return
	}
	rest := slices.DeleteFunc(slices.Clone(k.order), func(key Key) bool { return gone[key.Place] })
	switch {
	case len(rest) == len(k.order):
	case k.full:
		k.Forget()
	default:
		k.index(rest)
	}
}

// Oldest returns the lowest offset of a key that was received in the partition; false if there is none.
func (k *Keys) Oldest(partition int) (offset int64, ok bool) {
	for _, key := range k.order {
		if key.Place.Partition == partition {
			return key.Place.Offset, true
		}
	}
	return 0, false
}

func (k *Keys) add(key Key) {
	k.byID[key.id()] = key
	k.order = append(k.order, key)
}

// Batch begins the decisions about one batch.
func (k *Keys) Batch() *KeyBatch { return &KeyBatch{keys: k} }

// KeyBatch decides about the keys of one batch. Until Keep, the batch's own keys are known only within the batch.
type KeyBatch struct {
	keys  *Keys
	fresh map[keyID]Key
	order []Key
}

// Repeated says whether an earlier entry had the key, received not more than the window before, and whether that entry was a
// different one. A key that is not repeated is remembered.
func (b *KeyBatch) Repeated(key Key) (repeated, conflict bool) {
	before, ok := b.fresh[key.id()]
	if !ok {
		before, ok = b.keys.byID[key.id()]
	}
	if ok && before.ReceivedAt > key.ReceivedAt-b.keys.Window.Milliseconds() {
		return true, before.Body != key.Body
	}
	if b.fresh == nil {
		b.fresh = make(map[keyID]Key)
	}
	key.Tenant = strings.Clone(key.Tenant) // the tenant may lie in a record's memory
	b.fresh[key.id()] = key
	b.order = append(b.order, key)
	return false, false
}

// Keep adds the batch's keys to Keys, and forgets the oldest above Max. Call it once the batch is stored.
func (b *KeyBatch) Keep() {
	k := b.keys
	if !k.loaded {
		return
	}
	for _, key := range b.order {
		k.add(key)
	}
	excess := max(0, len(k.order)-k.Max)
	for _, old := range k.order[:excess] {
		if k.full = true; k.byID[old.id()].Place == old.Place {
			delete(k.byID, old.id())
		}
	}
	k.order = k.order[excess:]
}
