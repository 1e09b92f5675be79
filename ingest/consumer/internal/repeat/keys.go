package repeat

import (
	"slices"
	"strings"
	"time"

	"github.com/activitylog/activitylog/schema/activitypb"
)

// Key is an event key, with what distinguishes a repetition from a different entry with the same key.
type Key struct {
	Tenant     string
	Hash       [16]byte
	Body       uint64 // hash of the entry
	ReceivedAt int64  // Unix ms
	Offset     int64
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
	byID   map[keyID]Key
	order  []Key // by rising offset
}

// Since is the receive time from which k must know all keys to decide about an entry received at receivedAt (both Unix ms).
func (k *Keys) Since(receivedAt int64) int64 { return max(0, receivedAt-k.Window.Milliseconds()) }

// Know says whether k knows the keys of all entries received from since on.
func (k *Keys) Know(since int64) bool { return k.loaded && k.since <= since }

// Forget forgets all keys. They must be loaded before k is used again.
func (k *Keys) Forget() { k.loaded, k.byID, k.order = false, nil, nil }

// Load sets the keys: the newest that the partition has received from since on, at most Max, by falling offset.
func (k *Keys) Load(since int64, newestFirst []Key) {
	k.loaded, k.since = true, since
	k.byID, k.order = make(map[keyID]Key, len(newestFirst)), make([]Key, 0, len(newestFirst))
	for _, key := range slices.Backward(newestFirst) {
		k.add(key)
	}
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
		if now := k.byID[old.id()]; now.Offset == old.Offset {
			delete(k.byID, old.id())
		}
	}
	k.order = k.order[excess:]
}
