package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/activitylog/activitylog/cmd/loadgen/client"
)

// worker is one connection.
type worker struct {
	*runner
	conn   *client.Conn
	pack   func([]byte) ([]byte, error)
	jitter *rand.Rand
	body   []byte
}

func jitter(seed int) *rand.Rand { return rand.New(rand.NewPCG(uint64(seed), 11)) }

// send sends the entries [first, first+n). It repeats the request where a good client would.
func (w *worker) send(ctx context.Context, first, n int) error {
	req, err := w.request(first, n)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		w.requests.Add(1)
		w.bytes.Add(int64(len(req.Body)))
		reply, err := w.conn.Do(ctx, req)
		wait, again := w.note(reply, err, first, n)
		if !again {
			return nil
		}
		if try >= w.Retries {
			w.giveUp(err, n)
			return nil
		}
		w.retried.Add(1)
		pause(ctx, wait+time.Duration(w.jitter.Int64N(int64(100*time.Millisecond))))
	}
}

func (w *worker) giveUp(err error, n int) {
	if err != nil && !errors.Is(err, client.ErrNotSent) {
		w.unanswered.Add(int64(n))
		return
	}
	w.rejected.Add(int64(n))
}

func (w *worker) request(first, n int) (*client.Request, error) {
	keyOf := w.keyOf
	if !w.Keyed {
		keyOf = nil
	}
	w.body = w.source.AppendLines(w.body[:0], first, n, keyOf)
	req := &client.Request{Method: http.MethodPost, Path: client.Path, ContentType: "application/x-ndjson", ContentEncoding: w.Encoding, Body: w.body}
	if w.Batch == 1 {
		req.ContentType = "application/json"
	}
	if w.pack == nil {
		return req, nil
	}
	body, err := w.pack(w.body)
	if err != nil {
		return nil, fmt.Errorf("compress entries: %w", err)
	}
	req.Body = body
	return req, nil
}

// note notes what became of a try, and returns whether and when to try again.
func (w *worker) note(reply *client.Reply, err error, first, n int) (wait time.Duration, again bool) {
	switch {
	case errors.Is(err, client.ErrNotSent):
		return time.Second, true
	case err != nil:
		w.unknown(first, n)
		if !w.Keyed {
			w.unanswered.Add(int64(n))
		}
		return time.Second, w.Keyed
	case reply.Status == http.StatusOK:
		w.accept(reply, first, n)
		return 0, false
	case reply.Status == http.StatusGatewayTimeout:
		w.unknown(first, n)
		return max(reply.RetryAfter, 100*time.Millisecond), true
	case reply.Status == http.StatusServiceUnavailable, reply.Status == http.StatusTooManyRequests, reply.Status == http.StatusInsufficientStorage:
		return max(reply.RetryAfter, 100*time.Millisecond), true
	}
	w.rejected.Add(int64(n))
	return 0, false
}

func (w *worker) accept(reply *client.Reply, first, n int) {
	written, err := client.ParseWritten(reply, n, w.notes != nil)
	if err != nil {
		w.unknown(first, n)
		w.unanswered.Add(int64(n))
		return
	}
	w.accepted.Add(int64(written.Accepted))
	w.rejected.Add(int64(n - written.Accepted))
	if w.notes == nil {
		return
	}
	w.notes.Acknowledged(first, written.IDs)
	for i, id := range written.IDs {
		if id == 0 { // a partition did not answer: the entry may still be stored
			w.notes.Unknown(first+i, 1)
		}
	}
}

func (w *worker) unknown(first, n int) {
	if w.notes != nil {
		w.notes.Unknown(first, n)
	}
}

// packer returns the compressor of an encoding; nil for none.
func packer(encoding string) (func([]byte) ([]byte, error), error) {
	var out bytes.Buffer
	switch encoding {
	case "":
		return nil, nil
	case "gzip":
		z, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
		return func(b []byte) ([]byte, error) {
			out.Reset()
			z.Reset(&out)
			if _, err := z.Write(b); err != nil {
				return nil, err
			}
			err := z.Close()
			return out.Bytes(), err
		}, err
	case "zstd":
		z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
		var packed []byte
		return func(b []byte) ([]byte, error) {
			packed = z.EncodeAll(b, packed[:0])
			return packed, nil
		}, err
	}
	return nil, fmt.Errorf("encoding %q: want gzip or zstd", encoding)
}
