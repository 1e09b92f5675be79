package query

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// Order is the order of a listing: by timestamp, then by id.
type Order uint8

// The orders that there are.
const (
	NewestFirst Order = iota
	OldestFirst
)

func (o Order) sql() string {
	if o == OldestFirst {
		return "ASC"
	}
	return "DESC"
}

// Fields says how much of an entry a listing reads.
type Fields uint8

// Summary is id, timestamp, action, platform, device, actor id and name, and detail. Everything is the whole entry.
const (
	Summary Fields = iota
	Everything
)

// MaxLimit is the most entries that one page has.
const MaxLimit = 1000

// Listing asks for one page of the entries that a filter means.
type Listing struct {
	Filter Filter
	Order  Order
	Fields Fields
	Limit  int    // 1 to MaxLimit
	Offset int64  // entries to pass over; not together with a cursor
	Cursor string // Page.Next of the page before; the limit may differ, the filter and the order may not
}

// Page is one page of a listing.
type Page struct {
	Entries []schema.Entry
	Next    string // the cursor of the page after; empty on the last one
}

func (l Listing) validate() error {
	switch {
	case l.Limit < 1 || l.Limit > MaxLimit:
		return &schema.FieldError{Field: "limit", Code: "RANGE", Issue: fmt.Sprintf("must be 1 to %d", MaxLimit)}
	case l.Offset < 0:
		return &schema.FieldError{Field: "offset", Code: "RANGE", Issue: "must not be negative"}
	case l.Offset > 0 && l.Cursor != "":
		return &schema.FieldError{Field: "offset", Code: "CONFLICT", Issue: "a cursor takes its place: send one of them"}
	}
	return l.Filter.Validate()
}

// key is where a page ends.
type key struct {
	timestamp int64 // Unix ms
	id        uint64
}

// A cursor is base64url of: version, timestamp, id, Unix seconds when it was made, and the first bytes of an HMAC-SHA256 over
// these, the order and the filter, tenant included. A cursor of another listing is thus no different from a forged one.
const (
	cursorVersion = 1
	cursorBody    = 1 + 8 + 8 + 4
	cursorMAC     = 16
)

var cursorText = base64.RawURLEncoding.Strict()

// sealer makes and reads cursors.
type sealer struct {
	secret []byte
	maxAge time.Duration
}

func (s sealer) seal(k key, l Listing, now time.Time) string {
	b := make([]byte, 0, cursorBody+cursorMAC)
	b = append(b, cursorVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(k.timestamp))
	b = binary.BigEndian.AppendUint64(b, k.id)
	b = binary.BigEndian.AppendUint32(b, uint32(now.Unix()))
	return cursorText.EncodeToString(append(b, s.mac(b, l)...))
}

// open is the key in l's cursor; an error names the field cursor.
func (s sealer) open(l Listing, now time.Time) (key, error) {
	b, err := cursorText.DecodeString(l.Cursor)
	// The length is checked as text too, because the decoder passes over line ends.
	if err != nil || len(b) != cursorBody+cursorMAC || len(l.Cursor) != cursorText.EncodedLen(len(b)) || b[0] != cursorVersion || !hmac.Equal(b[cursorBody:], s.mac(b[:cursorBody], l)) {
		return key{}, &schema.FieldError{Field: "cursor", Code: "INVALID", Issue: "is not a cursor of this listing"}
	}
	made := time.Unix(int64(binary.BigEndian.Uint32(b[17:])), 0)
	if now.Sub(made) > s.maxAge {
		return key{}, &schema.FieldError{Field: "cursor", Code: "EXPIRED", Issue: "has expired: start the listing again"}
	}
	return key{int64(binary.BigEndian.Uint64(b[1:])), binary.BigEndian.Uint64(b[9:])}, nil
}

func (s sealer) mac(body []byte, l Listing) []byte {
	h := hmac.New(sha256.New, s.secret)
	h.Write(body)
	h.Write([]byte{byte(l.Order)})
	h.Write([]byte(l.Filter.canonical()))
	return h.Sum(nil)[:cursorMAC]
}
