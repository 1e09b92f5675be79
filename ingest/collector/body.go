package collector

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"sync"
	"time"

	"github.com/activitylog/activitylog/ingest/collector/internal/publish"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// Bounds of reading a body. A client's Content-Length reserves no memory: a body holds memory in proportion to the bytes
// that have arrived, and none before the first one.
const (
	firstBuffer = 16 << 10 // once a byte has arrived
	maxGrowth   = 16       // up to keptBuffer, a body of known length gets at most this many times the bytes that have arrived
	keptBuffer  = 1 << 20  // a larger buffer goes back to the garbage collector
	largeGrowth = 4        // beyond keptBuffer, a body of known length gets at most this many times the bytes that have arrived
)

// bodies reads request bodies into memory that is reused and bounded, of one request and of all together.
type bodies struct {
	maxBytes int64 // of one body, compressed and decompressed each
	pending  *budget
	arriving arriving
	buffers  [7]sync.Pool // of *buffer: of firstBuffer bytes, of twice as many, … of keptBuffer
	packed   packed
}

func newBodies(maxBytes, pending int64, now func() time.Time) *bodies {
	return &bodies{maxBytes: maxBytes, pending: &budget{limit: pending}, arriving: arriving{now: now, all: map[*body]struct{}{}}}
}

// body is a request's text, decompressed. release gives its memory back.
type body struct {
	text []byte // in buf
	buf  *buffer
	held int64 // bytes of the budget, and of buf that may be used

	first [1]byte // read before any memory is held

	source api.Cuttable  // nil if its arrival cannot be ended
	since  time.Time     // when its memory became worth following
	gone   chan struct{} // closed by release, if its arrival was ended for others
	gives  int64         // what it held then
}

type buffer struct{ bytes []byte }

func (b *bodies) release(d *body) {
	b.pending.give(d.held)
	b.keep(d.buf)
	if d.gone != nil {
		b.arriving.gave(d)
	}
	*d = body{}
}

// buffer returns a buffer of size bytes or more.
func (b *bodies) buffer(size int) *buffer {
	class := bits.Len(uint(size-1) / firstBuffer)
	if class >= len(b.buffers) {
		return &buffer{make([]byte, 0, size)}
	}
	if buf, ok := b.buffers[class].Get().(*buffer); ok {
		return buf
	}
	return &buffer{make([]byte, 0, firstBuffer<<class)}
}

func (b *bodies) keep(buf *buffer) {
	if buf == nil || cap(buf.bytes) > keptBuffer {
		return
	}
	b.buffers[bits.Len(uint(cap(buf.bytes)-1)/firstBuffer)].Put(buf)
}

// read reads the whole body of r. Its errors: ErrTooLarge; ErrUnsupported for an unknown encoding; ErrUnavailable when all
// bodies together take too much memory; ErrInvalid when the body cannot be decompressed; those of api.BodyError when the
// connection breaks or stalls.
func (b *bodies) read(r *http.Request) (*body, error) {
	if r.ContentLength > b.maxBytes {
		return nil, b.tooLarge()
	}
	d := new(body)
	if err := b.decode(d, r); err != nil {
		b.release(d)
		return nil, err
	}
	return d, nil
}

func (b *bodies) tooLarge() error {
	return &schema.FieldError{Field: "body", Code: "TOO_LARGE", Issue: fmt.Sprintf("at most %d bytes, also decompressed", b.maxBytes), Kind: schema.ErrTooLarge}
}

// fill reads from to its end, or to the first byte beyond the limit. Only this limit stops a small body that decompresses
// into a large one. length is the Content-Length; 0 if it is not known. An error of from is returned as it is.
func (b *bodies) fill(d *body, from io.Reader, length int64) error {
	if _, err := io.ReadFull(from, d.first[:]); err != nil {
		return unlessEnd(err)
	}
	if !b.grow(d, firstBuffer) {
		return publish.RetryLater(publish.ErrBusy)
	}
	d.text = append(d.text, d.first[0])
	for {
		if int64(len(d.text)) == d.held && !b.grow(d, nextSize(d.held, length)) {
			return publish.RetryLater(publish.ErrBusy)
		}
		n, err := from.Read(d.text[len(d.text):d.held])
		d.text = d.text[:len(d.text)+n]
		switch {
		case int64(len(d.text)) > b.maxBytes:
			return b.tooLarge()
		case err != nil:
			return unlessEnd(err)
		}
	}
}

func unlessEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// nextSize returns the size of the next buffer of a body that has filled its buffer of had bytes. For a body of known length it
// is at most length+1: the end of the body shows in the extra byte.
func nextSize(had, length int64) int64 {
	switch {
	case had == 0:
		return firstBuffer
	case length < had:
		return 2 * had
	}
	if size := max(largeGrowth*had, min(maxGrowth*had, keptBuffer)); size < length {
		return size
	}
	return length + 1
}

// grow moves d into a buffer of size bytes or more. It returns false if the budget of all bodies does not allow that.
func (b *bodies) grow(d *body, size int64) bool {
	most := b.maxBytes + 1
	buf := b.buffer(int(min(size, most)))
	size = min(int64(cap(buf.bytes)), most)
	if !b.take(d, size-d.held) {
		b.keep(buf)
		return false
	}
	buf.bytes = append(buf.bytes[:0], d.text...)
	b.keep(d.buf)
	d.buf, d.text = buf, buf.bytes
	b.arriving.hold(d, size)
	return true
}
