package query

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// A cursor is base64url of: version, timestamp, id, Unix seconds when it was made, of a snapshot (version 2) up to where each
// partition had been stored, and the first bytes of an HMAC-SHA256 over these, the order and the filter, tenant included. A
// cursor of another listing is thus no different from a forged one.
const (
	versionLive     = 1
	versionSnapshot = 2
	cursorBody      = 1 + 8 + 8 + 4 // and, of a snapshot, what appendStored writes
	cursorMAC       = 16
)

var cursorText = base64.RawURLEncoding.Strict()

// bookmark is where a page ended and, of a snapshot, the last offset that each partition had stored when it began.
type bookmark struct {
	key
	stored schema.Position // nil of a listing that is no snapshot
}

// sealer makes and reads cursors.
type sealer struct {
	secret []byte
	maxAge time.Duration
}

func (l Listing) cursorVersion() byte {
	if l.Snapshot {
		return versionSnapshot
	}
	return versionLive
}

func (s sealer) seal(m bookmark, l Listing, now time.Time) string {
	b := make([]byte, 0, cursorBody+cursorMAC)
	b = append(b, l.cursorVersion())
	b = binary.BigEndian.AppendUint64(b, uint64(m.timestamp))
	b = binary.BigEndian.AppendUint64(b, m.id)
	b = binary.BigEndian.AppendUint32(b, uint32(now.Unix()))
	if l.Snapshot {
		b = appendStored(b, m.stored)
	}
	return cursorText.EncodeToString(append(b, s.mac(b, l)...))
}

// open is the bookmark in l's cursor; an error names the field cursor.
func (s sealer) open(l Listing, now time.Time) (bookmark, error) {
	wrong := &schema.FieldError{Field: "cursor", Code: "INVALID", Issue: "is not a cursor of this listing"}
	b, err := cursorText.DecodeString(l.Cursor)
	// The length is checked as text too, because the decoder passes over line ends.
	if err != nil || len(b) < cursorBody+cursorMAC || len(l.Cursor) != cursorText.EncodedLen(len(b)) || b[0] != l.cursorVersion() {
		return bookmark{}, wrong
	}
	body, mac := b[:len(b)-cursorMAC], b[len(b)-cursorMAC:]
	if !hmac.Equal(mac, s.mac(body, l)) {
		return bookmark{}, wrong
	}
	made := time.Unix(int64(binary.BigEndian.Uint32(b[17:])), 0)
	if now.Sub(made) > s.maxAge {
		return bookmark{}, &schema.FieldError{Field: "cursor", Code: "EXPIRED", Issue: "has expired: start the listing again"}
	}
	m := bookmark{key: key{int64(binary.BigEndian.Uint64(b[1:])), binary.BigEndian.Uint64(b[9:])}}
	if l.Snapshot {
		m.stored = readStored(body[cursorBody:])
	}
	return m, nil
}

func (s sealer) mac(body []byte, l Listing) []byte {
	h := hmac.New(sha256.New, s.secret)
	h.Write(body)
	h.Write([]byte{byte(l.Order)})
	h.Write([]byte(l.Filter.canonical()))
	return h.Sum(nil)[:cursorMAC]
}

// appendStored writes a position by rising partition: the step from the partition before, and the offset, as varints. Five bytes
// a partition are usual.
func appendStored(b []byte, p schema.Position) []byte {
	before := 0
	for _, partition := range slices.Sorted(maps.Keys(p)) {
		b = binary.AppendUvarint(b, uint64(partition-before))
		b = binary.AppendUvarint(b, uint64(p[partition]))
		before = partition
	}
	return b
}

// readStored reads what appendStored wrote: nobody else could have signed it.
func readStored(b []byte) schema.Position {
	p, partition := schema.Position{}, 0
	for len(b) > 0 {
		step, n := binary.Uvarint(b)
		offset, m := binary.Uvarint(b[max(n, 0):])
		if n <= 0 || m <= 0 {
			return p
		}
		partition += int(step)
		p[partition] = int64(offset)
		b = b[n+m:]
	}
	return p
}
