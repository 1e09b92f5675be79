package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/google/uuid"

	"github.com/activitylog/activitylog/schema"
)

// Where the audit dialect takes entries.
const (
	AuditPath      = "/api/v1/activity-logs"
	AuditBatchPath = AuditPath + "/batch"
)

// ErrReply means that a response violates the contract of the dialect.
var ErrReply = errors.New("unexpected answer")

// Written is the response to a POST: the ids of the entries by index, 0 for one that was not accepted.
type Written struct {
	IDs      []uint64
	Accepted int
	Position string
}

// ParseWritten reads the answer to a POST of n entries, single or batch, of the fleet or the audit dialect. withIDs false
// counts them only.
func ParseWritten(r *Reply, n int, withIDs bool) (Written, error) {
	w := Written{Position: r.Position}
	if i := bytes.Index(r.Body, []byte(`"ids":[`)); i >= 0 {
		if accepted := bytes.Index(r.Body, []byte(`"accepted":`)); accepted >= 0 {
			w.Accepted, _ = number(r.Body[accepted+len(`"accepted":`):])
		}
		if !withIDs {
			return w, nil
		}
		ids, err := list(r.Body[i+len(`"ids":[`):], n)
		if err != nil || len(ids) != n {
			return w, fmt.Errorf("%w: %d ids for %d entries: %.200s", ErrReply, len(ids), n, r.Body)
		}
		w.IDs = ids
		return w, nil
	}
	i := bytes.Index(r.Body, []byte(`"id":`))
	if i < 0 || n != 1 {
		return w, fmt.Errorf("%w: no id in %.200s", ErrReply, r.Body)
	}
	id, digits := idOf(r.Body[i+len(`"id":`):])
	if digits == 0 || id == 0 {
		return w, fmt.Errorf("%w: no id in %.200s", ErrReply, r.Body)
	}
	w.Accepted, w.IDs = 1, []uint64{id}
	return w, nil
}

func list(b []byte, n int) ([]uint64, error) {
	ids := make([]uint64, 0, n)
	for len(b) > 0 {
		switch {
		case b[0] == ']':
			return ids, nil
		case b[0] == ',':
			b = b[1:]
		case bytes.HasPrefix(b, []byte("null")):
			ids, b = append(ids, 0), b[4:]
		default:
			id, digits := idOf(b)
			if digits == 0 {
				return ids, ErrReply
			}
			ids, b = append(ids, id), b[digits:]
		}
	}
	return ids, ErrReply
}

// idOf reads an id at the beginning of b, a number or a UUID in quotes, and how long it is; 0 if there is none.
func idOf(b []byte) (id uint64, length int) {
	const quoted = 38
	if len(b) < quoted || b[0] != '"' {
		n, digits := number(b)
		return uint64(n), digits
	}
	u, err := uuid.ParseBytes(b[1 : quoted-1])
	if err == nil {
		id, err = schema.IDOfUUID(u)
	}
	if err != nil {
		return 0, 0
	}
	return id, quoted
}

func number(b []byte) (value, digits int) {
	for digits < len(b) && b[digits] >= '0' && b[digits] <= '9' {
		value = value*10 + int(b[digits]-'0')
		digits++
	}
	return value, digits
}

// envelope is the form of every fleet response.
type envelope[T any] struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    T      `json:"data"`
}

// StatusError is a response that is not a success.
type StatusError struct {
	Status int
	Code   int
	Text   string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("HTTP %d, code %d: %s", e.Status, e.Code, e.Text)
}

// Code returns the code in the envelope of a response.
func Code(r *Reply) int {
	var e envelope[json.RawMessage]
	if json.Unmarshal(r.Body, &e) != nil {
		return -1
	}
	return e.Code
}

// Item is one entry of a list.
type Item struct {
	ID        uint64 `json:"id"`
	Platform  string `json:"platform"`
	Serial    string `json:"serial"`
	Action    string `json:"action_type"`
	Detail    string `json:"action_detail"`
	Username  string `json:"username"`
	Timestamp int64  `json:"timestamp"` // Unix s
}

// Query is a list or a count: the parameters of the dialect by name, and a position to wait for.
type Query struct {
	Params   url.Values
	Position string
}

// List returns one page and the cursor of the next page; empty after the last.
func (c *Conn) List(ctx context.Context, q Query) (items []Item, next string, err error) {
	next, err = get(ctx, c, Path+"?"+q.Params.Encode(), q.Position, &items)
	return items, next, err
}

// Count returns the number of matching entries.
func (c *Conn) Count(ctx context.Context, q Query) (int64, error) {
	var data struct {
		Count int64 `json:"count"`
	}
	_, err := get(ctx, c, Path+"/count?"+q.Params.Encode(), q.Position, &data)
	return data.Count, err
}

func get[T any](ctx context.Context, c *Conn, path, position string, into *T) (next string, err error) {
	r, err := c.Do(ctx, &Request{Method: http.MethodGet, Path: path, Position: position})
	if err != nil {
		return "", err
	}
	e := envelope[json.RawMessage]{}
	if err := json.Unmarshal(r.Body, &e); err != nil {
		return "", fmt.Errorf("%w: HTTP %d %.200s", ErrReply, r.Status, r.Body)
	}
	if r.Status != http.StatusOK || e.Code != 0 {
		return "", &StatusError{r.Status, e.Code, e.Message}
	}
	if err := json.Unmarshal(e.Data, into); err != nil {
		return "", fmt.Errorf("%w: %.200s", ErrReply, r.Body)
	}
	return r.NextCursor, nil
}

// Delete deletes one entry.
func (c *Conn) Delete(ctx context.Context, id uint64) (*Reply, error) {
	return c.Do(ctx, &Request{Method: http.MethodDelete, Path: Path + "/" + strconv.FormatUint(id, 10)})
}

// DeleteAll deletes every entry of the tenant.
func (c *Conn) DeleteAll(ctx context.Context) (*Reply, error) {
	return c.Do(ctx, &Request{Method: http.MethodDelete, Path: Path + "/all"})
}
