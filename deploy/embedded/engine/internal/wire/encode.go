package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Encoding is the encoding of an answer that a client asks for.
type Encoding struct {
	Revision int    // of the native protocol that the client speaks: above 0 Native blocks begin with block information
	Blocks   string // "", LZ4 or ZSTD: in compressed blocks of the native protocol
	Transfer string // "", gzip or zstd: Content-Encoding
}

// blockSize is how many bytes are compressed at a time.
const blockSize = 1 << 20

// NewWriter returns a writer with the compression of e. Closing it completes the body and leaves w open.
func (e Encoding) NewWriter(w io.Writer) (io.WriteCloser, error) {
	switch {
	case e.Transfer == "gzip":
		return gzip.NewWriter(w), nil
	case e.Transfer == "zstd":
		zw, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("compress the answer: %w", err)
		}
		return zw, nil
	case e.Blocks == "LZ4":
		return &blockWriter{w, compress.NewWriter(compress.LevelZero, compress.LZ4)}, nil
	case e.Blocks == "ZSTD":
		return &blockWriter{w, compress.NewWriter(compress.LevelZero, compress.ZSTD)}, nil
	}
	return plain{w}, nil
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// blockWriter writes compressed blocks of the native protocol.
type blockWriter struct {
	w        io.Writer
	compress *compress.Writer
}

func (b *blockWriter) Write(p []byte) (int, error) {
	for n := 0; n < len(p); n += blockSize {
		if err := b.compress.Compress(p[n:min(n+blockSize, len(p))]); err != nil {
			return n, fmt.Errorf("compress the answer: %w", err)
		}
		if _, err := b.w.Write(b.compress.Data); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

func (b *blockWriter) Close() error { return nil }

// newest is the revision of the protocol whose blocks Frame can write: block information and, for each column, a byte that says
// that its serialization is the usual one.
const newest = proto.DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION

// Frame turns Native blocks as the engine writes them (revision 0) into those of the native protocol that a client of this
// revision reads. One below 54454 reads no byte for the serialization: clickhouse-connect (54405) took it for the first row.
func Frame(blocks []byte, revision int) ([]byte, error) {
	r := chproto.NewReader(bytes.NewReader(blocks))
	var out chproto.Buffer
	for {
		b := proto.Block{ServerContext: &column.ServerContext{Timezone: time.UTC}}
		switch err := b.Decode(r, 0); {
		case errors.Is(err, io.EOF) && len(b.Columns) == 0:
			return out.Buf, nil
		case err != nil:
			return nil, fmt.Errorf("frame a block: %w", err)
		}
		if err := b.Encode(&out, uint64(min(revision, newest))); err != nil {
			return nil, fmt.Errorf("frame a block: %w", err)
		}
	}
}
