package query

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"golang.org/x/sync/singleflight"
)

// settle is how long a replica that made a secret waits before it reads back which one counts: another replica may have made
// one at the same moment, and an insert takes no longer.
const settle = time.Second

// secrets remembers the key of cursors once it is known. Requests that come before that share one question.
type secrets struct {
	key    atomic.Pointer[[]byte]
	asking singleflight.Group
}

// sealer makes the sealer with the configured key, or with the one that all replicas share through the database.
func (s *Store) sealer(ctx context.Context) (sealer, error) {
	if s.cfg.CursorSecret != "" {
		return sealer{[]byte(s.cfg.CursorSecret), s.cfg.CursorMaxAge}, nil
	}
	if key := s.secrets.key.Load(); key != nil {
		return sealer{*key, s.cfg.CursorMaxAge}, nil
	}
	answer := s.secrets.asking.DoChan("cursor", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.QueryTimeout)
		defer cancel()
		key, err := s.sharedKey(ctx)
		if err == nil {
			s.secrets.key.Store(&key)
		}
		return key, err
	})
	select {
	case <-ctx.Done():
		return sealer{}, fault(ctx, ctx.Err())
	case a := <-answer:
		if a.Err != nil {
			return sealer{}, fmt.Errorf("read the key of cursors: %w", a.Err)
		}
		return sealer{a.Val.([]byte), s.cfg.CursorMaxAge}, nil
	}
}

// sharedKey is the oldest key in the database, made now if there is none.
func (s *Store) sharedKey(ctx context.Context) ([]byte, error) {
	key, err := s.readKey(ctx)
	if err != nil || key != nil {
		return key, err
	}
	if err := s.makeKey(ctx); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, fault(ctx, ctx.Err())
	case <-time.After(settle):
	}
	if key, err = s.readKey(ctx); err == nil && key == nil {
		err = errors.New("it is not there after it was made")
	}
	return key, err
}

func (s *Store) readKey(ctx context.Context) ([]byte, error) {
	rows, err := s.conn.Query(ctx, "SELECT value FROM secrets WHERE name = 'cursor' ORDER BY created_at, value LIMIT 1")
	if err != nil {
		return nil, fault(ctx, err)
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, fault(ctx, rows.Err())
	}
	var value string
	if err := rows.Scan(&value); err != nil {
		return nil, fmt.Errorf("read a row: %w", err)
	}
	return []byte(value), fault(ctx, rows.Err())
}

func (s *Store) makeKey(ctx context.Context) error {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (Go 1.24)
	err := s.conn.Exec(ctx, "INSERT INTO secrets (name, value) SELECT 'cursor', {value:String}", clickhouse.Named("value", hex.EncodeToString(b[:])))
	return fault(ctx, err)
}
