package engine

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// decoded returns the body without its Content-Encoding, and without the native protocol's compressed blocks if
// decompress=1 says that it has them.
func decoded(r *http.Request, q url.Values) (io.Reader, error) {
	var body io.Reader = r.Body
	var err error
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "", "identity":
	case "gzip":
		body, err = gzip.NewReader(body)
	case "deflate":
		body, err = zlib.NewReader(body)
	case "zstd":
		body, err = zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
	case "br":
		body = brotli.NewReader(body)
	case "lz4":
		body = lz4.NewReader(body)
	default:
		return nil, fault(codeNotImplemented, "Content-Encoding %.20q", enc)
	}
	if err != nil {
		return nil, readFault(err)
	}
	if q.Get("decompress") == "1" {
		body = blockReader{compress.NewReader(body)}
	}
	return body, nil
}

// blockReader ends cleanly after a compressed block, where ch-go's own wraps the end of the body into an error.
type blockReader struct{ *compress.Reader }

func (r blockReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	return n, err
}

// answerEncoding reads what the client can take.
func answerEncoding(r *http.Request, q url.Values) encoding {
	var enc encoding
	version := q.Get("client_protocol_version")
	enc.framed = version != "" && version != "0"
	if q.Get("compress") == "1" {
		enc.blocks = first(strings.ToUpper(q.Get("network_compression_method")), "LZ4")
	}
	if q.Get("enable_http_compression") != "1" {
		return enc
	}
	for _, name := range []string{"zstd", "gzip"} {
		if strings.Contains(r.Header.Get("Accept-Encoding"), name) {
			enc.transfer = name
			return enc
		}
	}
	return enc
}
