package kafka

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Log identifies the topics of an installation that were created together. Ids of entries and offsets are unique within one log only, so
// the tables remember which log they were filled from.
//
// Every offset is absolute, except within the few functions that call Kafka: a base of the log plus Kafka's own offset. A later
// log's base lies above every offset of the logs before it, so absolute offsets rise from log to log.
type Log struct {
	Version int       `json:"version"`
	ID      uuid.UUID `json:"log"`
	// Origin is the first log that had this topic of entries. Commits with another origin are ignored.
	Origin uuid.UUID         `json:"origin"`
	Topics map[string]string `json:"topics"` // ids of the topics by name; "" if the broker reports none
	Epochs []Epoch           `json:"epochs"`
	// FirstBlock is added to the offset of a lease: blocks below it were leased in an earlier log.
	FirstBlock uint64 `json:"firstBlock"`
	// FirstCode is added to the offset of an action's name: codes below it belong to an earlier log.
	FirstCode int64 `json:"firstCode"`
	Made      int64 `json:"made"` // Unix ms
	// Adopts is the log whose tables this one takes over; uuid.Nil if the log was created with its topics.
	Adopts uuid.UUID `json:"adopts"`
	After  int64     `json:"after"` // offset of the record that this one replaces; -1: none
	// Foreign is for a log that filled other tables before it was adopted: its records name offsets below Foreign that are of those tables.
	Foreign int64 `json:"foreign,omitempty"`

	offset int64 // of the record
}

// Epoch is a range of offsets. The first epoch of a log has every partition from its first record on. A later one begins where a
// partition of the same topic lost its newest records, so that Kafka assigns their offsets again.
type Epoch struct {
	Base int64         `json:"base"`
	From map[int]int64 `json:"from,omitempty"` // Kafka's first offset of the epoch, by partition; the epoch has no other partitions
	// Fresh is the first block that was leased in the epoch. Ids of blocks below it may have been assigned twice, or their
	// entries may be stored already: the consumer looks up each of them.
	Fresh uint64 `json:"fresh,omitempty"`
}

const logVersion = 1

// EpochStep divides every base.
const EpochStep = 1 << 32

// MaxOffset is the highest absolute offset: schema.ForeignID takes no higher one.
const MaxOffset = 1<<40 - 1

// ErrTooManyEpochs means that no base is left for another log.
var ErrTooManyEpochs = errors.New("the tables have offsets of too many logs: start with empty tables")

// NextBase returns a base for a new epoch, above every offset up to highest; -1 means that no offset was used.
func NextBase(highest int64) (int64, error) {
	base := (highest/EpochStep + 1) * EpochStep
	if base > MaxOffset-EpochStep {
		return 0, ErrTooManyEpochs
	}
	return base, nil
}

// Absolute returns the absolute offset of Kafka's offset in a partition. A negative value stays as it is.
func (l *Log) Absolute(partition int, offset int64) int64 {
	if offset < 0 {
		return offset
	}
	for i, e := range slices.Backward(l.Epochs) {
		if from, ok := e.from(i, partition); ok && offset >= from {
			return e.Base + offset
		}
	}
	return offset
}

// Offset returns Kafka's offset of an absolute offset; false for an offset of an earlier log. A negative value stays as it is.
func (l *Log) Offset(partition int, absolute int64) (offset int64, ok bool) {
	if absolute < 0 {
		return absolute, true
	}
	end := int64(math.MaxInt64) // of the epoch
	for i, e := range slices.Backward(l.Epochs) {
		from, ok := e.from(i, partition)
		if !ok {
			continue
		}
		if absolute >= e.Base {
			offset = absolute - e.Base
			return offset, offset >= from && offset < end
		}
		end = from
	}
	return 0, false
}

// Moved handles a record that names a bound: an absolute offset at or before its own. If the topic belonged to an earlier log when both
// were written, the records before the bound have other absolute offsets now. Moved returns their range [first, end) within the record's
// epoch. moved is false if the bound is an offset of l, or if no record of the epoch lies before it.
func (l *Log) Moved(partition int, record, bound int64) (first, end int64, moved bool) {
	own, ok := l.Offset(partition, record)
	if _, known := l.Offset(partition, bound); !ok || known || bound >= record {
		return 0, 0, false
	}
	base := record - own
	for i, e := range l.Epochs {
		if from, ok := e.from(i, partition); ok && e.Base == base {
			first = base + from
		}
	}
	end = record - (record-bound)%EpochStep // bases are multiples of it, and a bound is near its record
	return first, end, end > first
}

// Next returns the first absolute offset of l above the absolute offset of any log. A negative value means that there is no such offset.
func (l *Log) Next(partition int, absolute int64) int64 {
	next := int64(-1)
	end := int64(math.MaxInt64) // Kafka's, of the epoch
	for i, e := range slices.Backward(l.Epochs) {
		from, ok := e.from(i, partition)
		if !ok {
			continue
		}
		if above := max(absolute+1-e.Base, from); above < end {
			next = e.Base + above
		}
		end = from
	}
	return next
}

// Same reports whether records have the same absolute offsets and ids in l and in other.
func (l *Log) Same(other *Log) bool {
	return l.ID == other.ID && len(l.Epochs) == len(other.Epochs) && l.FirstBlock == other.FirstBlock
}

// Last returns the partition's last epoch: its first absolute offset, and the first block that was leased in it.
func (l *Log) Last(partition int) (first int64, fresh uint64) {
	for i, e := range slices.Backward(l.Epochs) {
		if from, ok := e.from(i, partition); ok {
			return e.Base + from, e.Fresh
		}
	}
	return 0, 0
}

func (e *Epoch) from(i, partition int) (int64, bool) {
	if i == 0 {
		return 0, true
	}
	from, ok := e.From[partition]
	return from, ok
}

// Base returns the highest base of l.
func (l *Log) Base() int64 { return l.Epochs[len(l.Epochs)-1].Base }

// Cut returns l with a new epoch, which begins at these offsets of Kafka. highest is the highest absolute offset in use, and fresh is the
// first block that is not leased yet.
func (l *Log) Cut(from map[int]int64, highest int64, fresh uint64) (Log, error) {
	base, err := NextBase(max(highest, l.Base()))
	next := *l
	next.Epochs = append(slices.Clone(l.Epochs), Epoch{Base: base, From: from, Fresh: fresh})
	next.Made, next.After = time.Now().UnixMilli(), l.offset
	return next, err
}

// Successor returns a log that replaces l, with a new id. The caller may change its fields.
func (l *Log) Successor() Log {
	next := *l
	next.ID, next.Made, next.After = uuid.New(), time.Now().UnixMilli(), l.offset
	next.Topics, next.Epochs = maps.Clone(l.Topics), slices.Clone(l.Epochs)
	return next
}

// Missing names the first of the topics that is missing in ids or has another id than in l, and says which of the two;
// empty if there is none.
func (l *Log) Missing(ids map[string]string, topics ...string) string {
	for _, name := range topics {
		now, there := ids[name]
		made := l.Topics[name]
		switch {
		case !there:
			return "topic " + name + " is missing"
		case now != "" && made != "" && now != made:
			return fmt.Sprintf("topic %s was recreated: it has the id %s, that of the log had %s", name, now, made)
		}
	}
	return ""
}

// String returns l for people.
func (l *Log) String() string {
	return fmt.Sprintf("%s (made %s)", l.ID, time.UnixMilli(l.Made).UTC().Format("2006-01-02 15:04:05"))
}

// DecodeLog reads what Encode wrote.
func DecodeLog(record []byte) (Log, error) {
	var l Log
	err := decode(record, &l, &l.Version)
	return l, err
}

// Encode returns l in the form that the tables store.
func (l *Log) Encode() ([]byte, error) {
	next := *l
	next.Version = logVersion
	record, err := json.Marshal(next)
	if err != nil {
		return nil, fmt.Errorf("encode a log: %w", err)
	}
	return record, nil
}
