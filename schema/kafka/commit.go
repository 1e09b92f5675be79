package kafka

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// None stands for no offset.
const None = -1

// Commit is the metadata of the consumer's commit of an offset. All offsets are Kafka's.
type Commit struct {
	Last      int64  // of the declared batch, which begins at the committed offset; None: no batch is declared
	Watermark int64  // the last watermark in ClickHouse: everything up to this offset is stored; None: there is no watermark yet
	Day       int64  // of the watermark, in days since 1970
	Origin    uint32 // of the log; 0 in commits of a version without log identities
	Epochs    int    // of the log, when this was committed
}

// The versions of the text. The second one added all but Last.
const (
	commitVersion1 = "v1:"
	commitVersion2 = "v2:"
)

// NoCommit returns the commit of a group that has not committed yet.
func NoCommit() Commit { return Commit{Last: None, Watermark: None, Epochs: 1} }

// Commit returns a commit for l without a declared batch and without a watermark.
func (l *Log) Commit() Commit {
	return Commit{Last: None, Watermark: None, Origin: l.origin(), Epochs: len(l.Epochs)}
}

func (l *Log) origin() uint32 { return binary.BigEndian.Uint32(l.Origin[:4]) }

// Append writes c to b: "v2:<last>:<watermark>:<day>:<origin in base 36>:<epochs>".
func (c Commit) Append(b []byte) []byte {
	b = append(b, commitVersion2...)
	for _, n := range [...]int64{c.Last, c.Watermark, c.Day} {
		b = append(strconv.AppendInt(b, n, 10), ':')
	}
	b = append(strconv.AppendUint(b, uint64(c.Origin), 36), ':')
	return strconv.AppendInt(b, int64(c.Epochs), 10)
}

// ParseCommit reads what Append wrote, of either version, up to the end or a bar, and returns the text after the bar.
func ParseCommit(metadata string) (c Commit, rest string, err error) {
	if metadata == "" {
		return NoCommit(), "", nil
	}
	head, rest, _ := strings.Cut(metadata, "|")
	c = NoCommit()
	if err := c.parse(head); err != nil {
		return NoCommit(), "", fmt.Errorf("offset metadata %.60q: %w", metadata, err)
	}
	return c, rest, nil
}

func (c *Commit) parse(head string) error {
	if last, ok := strings.CutPrefix(head, commitVersion1); ok {
		return parseOffset(last, &c.Last)
	}
	text, ok := strings.CutPrefix(head, commitVersion2)
	fields := strings.Split(text, ":")
	if !ok || len(fields) != 5 {
		return fmt.Errorf("want version %s", commitVersion2)
	}
	for i, into := range [...]*int64{&c.Last, &c.Watermark, &c.Day} {
		if err := parseOffset(fields[i], into); err != nil {
			return err
		}
	}
	origin, err := strconv.ParseUint(fields[3], 36, 32)
	if err != nil {
		return fmt.Errorf("bad origin %.20q", fields[3])
	}
	c.Origin = uint32(origin)
	if c.Epochs, err = strconv.Atoi(fields[4]); err != nil || c.Epochs < 1 {
		return fmt.Errorf("bad number of epochs %.20q", fields[4])
	}
	return nil
}

func parseOffset(text string, into *int64) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < None {
		return fmt.Errorf("bad offset %.20q", text)
	}
	*into = n
	return nil
}

// Committed returns the offset in Kafka up to which the records of the partition are stored, according to the commit c at this offset. It
// returns None if c was made for another topic of entries. A commit from before the partition lost its newest records may be higher than
// the offset where they were lost. Higher offsets then belonged to other records, so the result is at most that offset.
func (l *Log) Committed(partition int, offset int64, c Commit) int64 {
	if c.Origin != l.origin() && (c.Origin != 0 || l.Epochs[0].Base != 0) {
		return None
	}
	for _, e := range l.Epochs[min(c.Epochs, len(l.Epochs)):] {
		if from, ok := e.From[partition]; ok {
			offset = min(offset, from)
		}
	}
	return offset
}

// Current reports whether l has not changed since c was committed.
func (l *Log) Current(c Commit) bool { return c.Origin == l.origin() && c.Epochs == len(l.Epochs) }
