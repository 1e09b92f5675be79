package query

import (
	"fmt"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/schema"
)

// Order is the order of a listing: by timestamp, then by id.
type Order uint8

// The possible orders.
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

// Summary is id, timestamp, action, platform, device, actor id and name, and detail. Outline has the targets and the extra fields as
// well. Everything is the whole entry.
const (
	Summary Fields = iota
	Outline
	Everything
)

// MaxLimit is the most entries that one page has.
const MaxLimit = db.MaxPage

// A page ends early at PageBytes of text; a page that must be whole may have WholePageBytes. A single entry may have more than PageBytes.
const (
	PageBytes      = 8 << 20
	WholePageBytes = 64 << 20
)

// Listing asks for one page of the entries that a filter selects.
type Listing struct {
	Filter Filter
	Order  Order
	Fields Fields
	Limit  int    // 1 to MaxLimit
	Offset int64  // entries to skip; not together with a cursor
	Cursor string // Page.Next of the page before; the limit may differ, the filter and the order may not

	// Beyond begins the page after this place in the order, whether or not an entry is there. Not together with a cursor or an offset.
	Beyond *Key

	// Snapshot makes all pages show what was stored when the first one was read: each of these entries once, and nothing that was
	// stored later, whatever its timestamp. What is erased meanwhile is missing. Not together with an offset.
	Snapshot bool

	// Whole returns either all entries up to the limit or an error, for callers who page by number. Other pages end early when they have
	// much text, and their cursor continues there.
	Whole bool
}

// Page is one page of a listing.
type Page struct {
	Entries []schema.Entry // fewer than the limit on the last page, and where there is much text
	Next    string         // the cursor of the next page; empty on the last one
}

func (l Listing) validate() error {
	switch {
	case l.Limit < 1 || l.Limit > MaxLimit:
		return &schema.FieldError{Field: "limit", Code: "RANGE", Issue: fmt.Sprintf("must be 1 to %d", MaxLimit)}
	case l.Offset < 0:
		return &schema.FieldError{Field: "offset", Code: "RANGE", Issue: "must not be negative"}
	case l.Offset > 0 && l.Cursor != "":
		return &schema.FieldError{Field: "offset", Code: "CONFLICT", Issue: "a cursor takes its place: send one of them"}
	case l.Beyond != nil && (l.Offset > 0 || l.Cursor != ""):
		return &schema.FieldError{Field: "offset", Code: "CONFLICT", Issue: "a place in the order takes its place: send one of them"}
	case l.Offset > 0 && l.Snapshot:
		return &schema.FieldError{Field: "offset", Code: "CONFLICT", Issue: "a snapshot is paged by cursor"}
	}
	return l.Filter.Validate()
}

// maxBytes returns how much text l's page may have.
func (l Listing) maxBytes() int {
	if l.Whole {
		return WholePageBytes
	}
	return PageBytes
}

// Key is an entry's place in the order of a listing or an export; the zero value is before all entries.
type Key struct {
	Timestamp int64 // Unix ms
	ID        uint64
}
