// Package block builds the blocks that one batch stores: those of the entries and of the two rollups, column by column, in
// ClickHouse's Native format. It does no I/O and reads no clock: the same entries give the same bytes.
package block

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/cespare/xxhash/v2"
)

// Block is a set of columns of the same length.
type Block interface {
	Rows() int
	Columns() proto.Input
}

// text is a String column kept in its wire form: a value is copied once, and nothing is left to encode.
// ch-go's ColStr copies a value twice and keeps 16 bytes of positions for it.
type text struct {
	buf  []byte
	rows int
}

func (c *text) append(v string) {
	c.buf = binary.AppendUvarint(c.buf, uint64(len(v)))
	c.buf = append(c.buf, v...)
	c.rows++
}

func (c *text) appendBytes(v []byte) {
	c.buf = binary.AppendUvarint(c.buf, uint64(len(v)))
	c.buf = append(c.buf, v...)
	c.rows++
}

func (c *text) reset() { c.buf, c.rows = c.buf[:0], 0 }

func (c *text) Type() proto.ColumnType       { return proto.ColumnTypeString }
func (c *text) Rows() int                    { return c.rows }
func (c *text) EncodeColumn(b *proto.Buffer) { b.PutRaw(c.buf) }
func (c *text) WriteColumn(w *proto.Writer)  { w.ChainWrite(c.buf) }

// texts is an Array(String) column.
type texts struct {
	ends   proto.ColUInt64
	values text
}

func (c *texts) append(v []string) {
	for _, s := range v {
		c.values.append(s)
	}
	c.ends = append(c.ends, uint64(c.values.rows))
}

func (c *texts) reset() {
	c.ends.Reset()
	c.values.reset()
}

func (c *texts) Type() proto.ColumnType {
	return proto.ColumnTypeArray.Sub(proto.ColumnTypeString)
}
func (c *texts) Rows() int { return len(c.ends) }

func (c *texts) EncodeColumn(b *proto.Buffer) {
	c.ends.EncodeColumn(b)
	c.values.EncodeColumn(b)
}

func (c *texts) WriteColumn(w *proto.Writer) {
	c.ends.WriteColumn(w)
	c.values.WriteColumn(w)
}

// dict is a LowCardinality(String) column: each distinct value once, and a key for each row.
type dict struct {
	index  map[string]uint32
	values text
	keys   []uint32
	wire   proto.ColLowCardinalityRaw
	names  []string    // the values by key
	last   uint32      // the key that was returned last
	recent [256]uint32 // by a value's hash: key + 1 of the value that was looked up last; 0 for none
}

// key returns the number of v in the dictionary; it adds no row. Nearly every v is the previous one or one of a few: recent saves
// the look-up in the map and costs a third of it.
func (c *dict) key(v string) uint32 {
	if len(c.names) > 0 && c.names[c.last] == v {
		return c.last
	}
	near := &c.recent[xxhash.Sum64String(v)%uint64(len(c.recent))]
	if *near == 0 || c.names[*near-1] != v {
		*near = c.lookUp(v) + 1
	}
	c.last = *near - 1
	return c.last
}

// lookUp returns the key of v from the map. It adds v if it is new.
func (c *dict) lookUp(v string) uint32 {
	k, ok := c.index[v]
	if !ok {
		if c.index == nil {
			c.index = make(map[string]uint32)
		}
		k, v = uint32(len(c.index)), strings.Clone(v) // v may lie in a record's memory
		c.index[v] = k
		c.names = append(c.names, v)
		c.values.append(v)
	}
	return k
}

// ranks returns for each key where its value comes when the values are sorted.
func (c *dict) ranks() []uint32 {
	order := make([]uint32, len(c.names))
	for k := range order {
		order[k] = uint32(k)
	}
	slices.SortFunc(order, func(a, b uint32) int { return strings.Compare(c.names[a], c.names[b]) })
	ranks := make([]uint32, len(order))
	for rank, k := range order {
		ranks[k] = uint32(rank)
	}
	return ranks
}

func (c *dict) appendKey(k uint32) { c.keys = append(c.keys, k) }

func (c *dict) reset() {
	clear(c.index)
	c.values.reset()
	c.keys = c.keys[:0]
	clear(c.names)
	c.names, c.last = c.names[:0], 0
	clear(c.recent[:])
}

// column returns c as ClickHouse reads it: the keys have the smallest type that holds them.
func (c *dict) column() proto.ColInput {
	c.wire.Index = wireText{&c.values}
	c.wire.Keys8, c.wire.Keys16, c.wire.Keys32 = c.wire.Keys8[:0], c.wire.Keys16[:0], c.wire.Keys32[:0]
	switch n := len(c.index); {
	case n <= 1<<8:
		c.wire.Key = proto.KeyUInt8
		c.wire.Keys8 = narrow(c.wire.Keys8, c.keys)
	case n <= 1<<16:
		c.wire.Key = proto.KeyUInt16
		c.wire.Keys16 = narrow(c.wire.Keys16, c.keys)
	default:
		c.wire.Key = proto.KeyUInt32
		c.wire.Keys32 = append(c.wire.Keys32, c.keys...)
	}
	return &c.wire
}

func narrow[T ~[]K, K uint8 | uint16](to T, from []uint32) T {
	for _, k := range from {
		to = append(to, K(k))
	}
	return to
}

// wireText makes a text a proto.Column, which the dictionary of a ColLowCardinalityRaw must be. It is only written, never read.
type wireText struct{ *text }

func (w wireText) Reset() { w.reset() }

func (w wireText) DecodeColumn(*proto.Reader, int) error {
	return fmt.Errorf("a column of a batch is not read")
}

// Native is a block in its wire form. It shares memory with the block's columns.
type Native struct {
	Parts net.Buffers
	Bytes int64
	Rows  int
}

// Encode returns b in ClickHouse's Native format of protocol revision 0, which INSERT … FORMAT Native expects over HTTP. Columns of
// different lengths are an error: the server would use the shortest without an error.
func Encode(b Block) (*Native, error) {
	n := &Native{Rows: b.Rows()}
	w := proto.NewWriter(n, new(proto.Buffer))
	columns := b.Columns()
	if err := (proto.Block{Columns: len(columns), Rows: n.Rows}).WriteBlock(w, 0, columns); err != nil {
		return nil, fmt.Errorf("encode a block of %d rows: %w", n.Rows, err)
	}
	if _, err := w.Flush(); err != nil {
		return nil, fmt.Errorf("encode a block of %d rows: %w", n.Rows, err)
	}
	return n, nil
}

// Write keeps p: proto.Writer allows that until its next use.
func (n *Native) Write(p []byte) (int, error) {
	n.Parts = append(n.Parts, p)
	n.Bytes += int64(len(p))
	return len(p), nil
}
