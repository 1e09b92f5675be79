package query

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"golang.org/x/sync/singleflight"

	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/schema"
)

// A cursor is base64url of: version, timestamp, id, Unix seconds when it was made, for a snapshot (version 2) the last stored
// offset of each partition, and the first bytes of an HMAC-SHA256 over all of these, the order and the filter, tenant included.
// So a cursor of another listing is refused like a forged one.
const (
	versionLive     = 1
	versionSnapshot = 2
	cursorBody      = 1 + 8 + 8 + 4 // and, for a snapshot, what appendStored writes
	cursorMAC       = 16
)

var cursorText = base64.RawURLEncoding.Strict()

// bookmark is where a page ended and, for a snapshot, the last offset that each partition had stored when it began.
type bookmark struct {
	Key
	stored schema.Position // nil for a listing that is not a snapshot
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
	b = binary.BigEndian.AppendUint64(b, uint64(m.Timestamp))
	b = binary.BigEndian.AppendUint64(b, m.ID)
	b = binary.BigEndian.AppendUint32(b, uint32(now.Unix()))
	if l.Snapshot {
		b = appendStored(b, m.stored)
	}
	return cursorText.EncodeToString(append(b, s.mac(b, l)...))
}

// open returns the bookmark in l's cursor; an error names the field cursor.
func (s sealer) open(l Listing, now time.Time) (bookmark, error) {
	wrong := &schema.FieldError{Field: "cursor", Code: "INVALID", Issue: "is not a cursor of this listing"}
	b, err := cursorText.DecodeString(l.Cursor)
	// The length is checked as text too, because the decoder ignores line ends.
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
	m := bookmark{Key: Key{int64(binary.BigEndian.Uint64(b[1:])), binary.BigEndian.Uint64(b[9:])}}
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

// appendStored writes a position by rising partition: the step from the partition before, and the offset, as varints. A
// partition usually takes five bytes.
func appendStored(b []byte, p schema.Position) []byte {
	before := 0
	for _, partition := range slices.Sorted(maps.Keys(p)) {
		b = binary.AppendUvarint(b, uint64(partition-before))
		b = binary.AppendUvarint(b, uint64(p[partition]))
		before = partition
	}
	return b
}

// readStored reads what appendStored wrote. Its input was signed.
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

// settleTime is how long a replica waits after inserting a key before it reads which key counts: another replica may have inserted one at
// the same moment, and an insert does not take longer.
const settleTime = time.Second

// cursorKey is the key of cursors: the configured one, or the one that all replicas share through the database.
type cursorKey struct {
	db     *db.DB
	maxAge time.Duration
	key    atomic.Pointer[[]byte] // nil until it is known
	calls  singleflight.Group
}

func newCursorKey(cfg Config, d *db.DB) *cursorKey {
	k := &cursorKey{db: d, maxAge: cfg.CursorMaxAge}
	if cfg.CursorSecret != "" {
		key := []byte(cfg.CursorSecret)
		k.key.Store(&key)
	}
	return k
}

func (k *cursorKey) sealer(ctx context.Context) (sealer, error) {
	if key := k.key.Load(); key != nil {
		return sealer{*key, k.maxAge}, nil
	}
	key, err := db.Share(ctx, k.db, &k.calls, "cursor", func(ctx context.Context) ([]byte, error) {
		key, err := k.shared(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the key of cursors: %w", err)
		}
		k.key.Store(&key)
		return key, nil
	})
	return sealer{key, k.maxAge}, err
}

// shared returns the oldest key in the database. It makes one if there is none.
func (k *cursorKey) shared(ctx context.Context) ([]byte, error) {
	key, err := k.read(ctx)
	if err != nil || key != nil {
		return key, err
	}
	if err := k.create(ctx); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, db.Fault(ctx, ctx.Err())
	case <-time.After(settleTime):
	}
	if key, err = k.read(ctx); err == nil && key == nil {
		err = errors.New("the key was inserted, but is missing")
	}
	return key, err
}

func (k *cursorKey) read(ctx context.Context) ([]byte, error) {
	rows, err := k.db.QueryWithoutTenant(ctx, db.Statement{Text: "SELECT value FROM secrets WHERE name = 'cursor' ORDER BY created_at, value LIMIT 1"})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, db.Fault(ctx, rows.Err())
	}
	var value string
	if err := rows.Scan(&value); err != nil {
		return nil, fmt.Errorf("read a row: %w", err)
	}
	return []byte(value), db.Fault(ctx, rows.Err())
}

func (k *cursorKey) create(ctx context.Context) error {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (Go 1.24)
	return k.db.Exec(ctx, db.Statement{
		Text: "INSERT INTO secrets (name, value) SELECT 'cursor', {value:String}",
		Args: []any{clickhouse.Named("value", hex.EncodeToString(b[:]))},
	})
}
