package collector

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// zstdWindow is the window size that RFC 8878, section 3.1.1.1.2, asks a decoder to support.
const zstdWindow = 8 << 20

// packed holds decompressors for reuse, and bounds how many are used at once: a zstd window alone may have 8 MiB, which no budget counts.
type packed struct {
	once  sync.Once
	slots chan struct{}
	gzips sync.Pool // of *gzip.Reader
	zlibs sync.Pool // of io.ReadCloser
	zstds sync.Pool // of *zstd.Decoder
}

// enter waits for a slot. There are as many slots as processors.
func (p *packed) enter() (leave func()) {
	p.once.Do(func() { p.slots = make(chan struct{}, runtime.GOMAXPROCS(0)) })
	p.slots <- struct{}{}
	return func() { <-p.slots }
}

// wire is a body as it arrives. It remembers why it ended, so that a broken connection is not reported as a fault of the compression.
type wire struct {
	from io.Reader
	left int64 // bytes that may still arrive
	err  error
}

func (w *wire) Read(p []byte) (int, error) {
	if w.left <= 0 {
		return 0, io.EOF
	}
	n, err := w.from.Read(p[:min(int64(len(p)), w.left)])
	w.left -= int64(n)
	w.err = err
	return n, err
}

// decode reads the body of r into d.
func (b *bodies) decode(d *body, r *http.Request) error {
	w, length := &wire{from: r.Body, left: b.maxBytes + 1}, max(r.ContentLength, 0)
	var err error
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
		err = b.receive(d, w, length)
	case "gzip", "x-gzip":
		err = b.unpack(d, w, length, "gzip", b.gunzip)
	case "deflate", "zlib": // RFC 9110, section 8.4.1.2: deflate is the zlib format
		err = b.unpack(d, w, length, "zlib (deflate)", b.inflate)
	case "zstd":
		err = b.unpack(d, w, length, "zstd", b.unzstd)
	default:
		return &schema.FieldError{Field: "Content-Encoding", Code: "UNSUPPORTED", Issue: "must be gzip, deflate, zstd or identity", Kind: schema.ErrUnsupported}
	}
	switch {
	case w.left <= 0:
		return b.tooLarge()
	case w.err != nil && !errors.Is(w.err, io.EOF):
		return api.BodyError(r, w.err)
	}
	return err
}

// unpack decompresses a body, once all of it has arrived: the memory of a decompressor is not held for a client that is slow. An
// empty body is empty in every format.
func (b *bodies) unpack(d *body, w *wire, length int64, format string, with func(*body, []byte) error) error {
	sent := new(body)
	defer b.release(sent)
	if err := b.receive(sent, w, length); err != nil || len(sent.text) == 0 || w.err != nil && !errors.Is(w.err, io.EOF) {
		return err
	}
	defer b.packed.enter()()
	return broken(format, with(d, sent.text))
}

// errMore means that other bytes follow the end of compressed data. They may be the rest of a member whose beginning was damaged, so the
// data before them must not be taken for the whole body.
var errMore = errors.New("has other bytes after its end")

// members are the members of a gzip body, of which RFC 1952 allows several.
type members struct {
	*gzip.Reader
	in   *bytes.Reader
	sent []byte // by in
}

const gzipMagic = "\x1f\x8b"

func (m members) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if !errors.Is(err, io.EOF) || m.in.Len() == 0 {
		return n, err
	}
	if !bytes.HasPrefix(m.sent[len(m.sent)-m.in.Len():], []byte(gzipMagic)) {
		return n, errMore
	}
	if err := m.begin(); !errors.Is(err, gzip.ErrHeader) {
		return n, err
	}
	return n, errMore
}

// begin begins to read a member.
func (m members) begin() error {
	err := m.Reset(m.in)
	m.Multistream(false)
	return err
}

func (b *bodies) gunzip(d *body, sent []byte) error {
	if !bytes.HasPrefix(sent, []byte(gzipMagic)) { // a short text would end early
		return gzip.ErrHeader
	}
	z, _ := b.packed.gzips.Get().(*gzip.Reader)
	if z == nil {
		z = new(gzip.Reader)
	}
	defer b.packed.gzips.Put(z)
	m := members{z, bytes.NewReader(sent), sent}
	if err := m.begin(); err != nil {
		return err
	}
	return b.fill(d, m, 0)
}

func (b *bodies) inflate(d *body, sent []byte) (err error) {
	in := bytes.NewReader(sent)
	z, _ := b.packed.zlibs.Get().(io.ReadCloser)
	if z == nil {
		z, err = zlib.NewReader(in)
	} else {
		err = z.(zlib.Resetter).Reset(in, nil)
	}
	if z != nil {
		defer b.packed.zlibs.Put(z)
	}
	if err == nil {
		err = b.fill(d, z, 0)
	}
	if err == nil && in.Len() > 0 {
		err = errMore
	}
	return err
}

func (b *bodies) unzstd(d *body, sent []byte) error {
	z, _ := b.packed.zstds.Get().(*zstd.Decoder)
	if z == nil {
		var err error
		// With a concurrency above 1 a decoder starts goroutines and must be closed.
		z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderMaxMemory(uint64(b.maxBytes)+zstdWindow))
		if err != nil {
			return fmt.Errorf("set up zstd: %w", err)
		}
	}
	defer b.packed.zstds.Put(z)
	err := z.Reset(bytes.NewReader(sent))
	if err == nil {
		err = b.fill(d, z, 0)
	}
	if errors.Is(err, zstd.ErrMagicMismatch) && len(d.text) > 0 {
		return errMore
	}
	return err
}

// broken explains what is wrong with compressed data. Errors that are the caller's already stay as they are.
func broken(format string, err error) error {
	var issue string
	switch {
	case err == nil, errors.Is(err, schema.ErrTooLarge), errors.Is(err, schema.ErrUnavailable):
		return err
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return &schema.FieldError{Field: "body", Code: "TOO_LARGE", Issue: "decompresses to too much", Kind: schema.ErrTooLarge}
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, zlib.ErrHeader), errors.Is(err, zstd.ErrMagicMismatch):
		issue = "is not " + format + ", although Content-Encoding says so"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		issue = "ends early: its " + format + " data is not complete"
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, zlib.ErrChecksum), errors.Is(err, zstd.ErrCRCMismatch):
		issue = "has a wrong checksum: its " + format + " data was damaged"
	case errors.Is(err, errMore):
		issue = "has other bytes after the end of its " + format + " data"
	default:
		issue = "is not valid " + format
	}
	return &schema.FieldError{Field: "body", Code: "SYNTAX", Issue: issue}
}
