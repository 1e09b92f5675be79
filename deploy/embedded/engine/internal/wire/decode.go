// Package wire translates between the encodings of ClickHouse's HTTP clients and those of the engine: compressed bodies, compressed
// blocks, and the two forms of Native blocks.
package wire

import (
	"errors"
	"fmt"
	"io"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// ErrEncoding means that the Content-Encoding is not supported.
var ErrEncoding = errors.New("unknown Content-Encoding")

// Decode decodes the Content-Encoding of body. The caller must limit how much it reads.
func Decode(body io.Reader, encoding string) (r io.Reader, err error) {
	switch encoding {
	case "", "identity":
		return body, nil
	case "gzip":
		r, err = gzip.NewReader(body)
	case "deflate":
		r, err = zlib.NewReader(body)
	case "zstd":
		r, err = zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
	case "br":
		r = brotli.NewReader(body)
	case "lz4":
		r = lz4.NewReader(body)
	default:
		return nil, fmt.Errorf("%w %.20q", ErrEncoding, encoding)
	}
	if err != nil {
		return nil, fmt.Errorf("decompress the body: %w", err)
	}
	return r, nil
}

// DecodeBlocks decodes body from the compressed blocks of the native protocol.
func DecodeBlocks(body io.Reader) io.Reader { return blockReader{compress.NewReader(body)} }

// blockReader returns io.EOF after the last compressed block, where ch-go's reader returns a wrapped error.
type blockReader struct{ *compress.Reader }

func (r blockReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	return n, err
}
