package engine

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/libchdb"
)

// answer writes a statement's result. Its headers go out with the first bytes, so that an error before them has its
// own status; an error after them ends the body with ClickHouse's mark of an exception.
type answer struct {
	w        http.ResponseWriter
	req      *request
	begin    time.Time
	progress libchdb.Progress
	started  bool
	tag      string
	out      io.Writer
	closers  []io.Closer
	blocks   *compress.Writer
}

// Write sends a piece of a document.
func (a *answer) Write(piece []byte) (int, error) {
	if err := a.write(piece); err != nil {
		return 0, err
	}
	return len(piece), nil
}

// write sends a piece of the result: whole blocks, if the format has any.
func (a *answer) write(piece []byte) error {
	if len(piece) == 0 {
		return nil
	}
	var err error
	if a.req.answer.framed && a.req.format == "Native" {
		if piece, err = framed(piece); err != nil {
			return err
		}
	}
	if !a.started {
		if err := a.start(); err != nil {
			return err
		}
	}
	if a.blocks == nil {
		_, err = a.out.Write(piece)
		return err
	}
	for len(piece) > 0 && err == nil {
		n := min(len(piece), 1<<20)
		if err = a.blocks.Compress(piece[:n]); err == nil {
			_, err = a.out.Write(a.blocks.Data)
		}
		piece = piece[n:]
	}
	return err
}

func (a *answer) start() error {
	a.started = true
	a.headers()
	a.tag = strings.ToLower(rand.Text()[:16])
	a.w.Header().Set("X-ClickHouse-Exception-Tag", a.tag)
	a.out = a.w
	switch a.req.answer.blocks {
	case "LZ4":
		a.blocks = compress.NewWriter(compress.LevelZero, compress.LZ4)
	case "ZSTD":
		a.blocks = compress.NewWriter(compress.LevelZero, compress.ZSTD)
	}
	switch a.req.answer.transfer {
	case "gzip":
		zw := gzip.NewWriter(a.w)
		a.out, a.closers = zw, append(a.closers, zw)
	case "zstd":
		zw, err := zstd.NewWriter(a.w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return fmt.Errorf("compress the answer: %w", err)
		}
		a.out, a.closers = zw, append(a.closers, zw)
	}
	return nil
}

func (a *answer) headers() {
	h := a.w.Header()
	h.Set("Content-Type", contentType(a.req.format))
	h.Set("X-ClickHouse-Format", a.req.format)
	h.Set("X-ClickHouse-Summary", summary(a.progress, time.Since(a.begin)))
	if a.req.answer.transfer != "" {
		h.Set("Content-Encoding", a.req.answer.transfer)
	}
}

// end completes the body, or answers with an empty one.
func (a *answer) end() error {
	if !a.started {
		a.req.answer.transfer = ""
		a.headers()
		a.w.WriteHeader(http.StatusOK)
		return nil
	}
	for _, c := range a.closers {
		if err := c.Close(); err != nil {
			return fmt.Errorf("end the answer: %w", err)
		}
	}
	return nil
}

// fail answers with err and returns the status. In the middle of a body it breaks the connection after the exception, so
// that no client takes the rows before it for all.
func (a *answer) fail(err error) int {
	if !a.started {
		return fail(a.w, err)
	}
	text := err.Error()
	_, _ = fmt.Fprintf(a.out, "\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", a.tag, text, len(text)+1, a.tag)
	for _, c := range a.closers {
		_ = c.Close()
	}
	control := http.NewResponseController(a.w)
	_ = control.Flush()
	if conn, _, err := control.Hijack(); err == nil {
		_ = conn.Close()
	}
	return http.StatusInternalServerError
}

// nativeRevision is the protocol's revision whose blocks clickhouse-go reads: block information, and a byte per column
// that says that its serialization is the usual one.
const nativeRevision = proto.DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION

// framed turns Native blocks as the engine writes them (revision 0) into those of the native protocol.
func framed(piece []byte) ([]byte, error) {
	r := chproto.NewReader(bytes.NewReader(piece))
	var out chproto.Buffer
	for {
		b := proto.Block{ServerContext: &column.ServerContext{Timezone: time.UTC}}
		switch err := b.Decode(r, 0); {
		case errors.Is(err, io.EOF) && len(b.Columns) == 0:
			return out.Buf, nil
		case err != nil:
			return nil, fmt.Errorf("frame a block: %w", err)
		}
		if err := b.Encode(&out, nativeRevision); err != nil {
			return nil, fmt.Errorf("frame a block: %w", err)
		}
	}
}

func contentType(format string) string {
	switch {
	case format == "Native", format == "Parquet", format == "Arrow", strings.HasPrefix(format, "RowBinary"):
		return "application/octet-stream"
	case format == "JSONEachRow":
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(format, "JSON"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(format, "CSV"):
		return "text/csv; charset=UTF-8"
	case strings.HasPrefix(format, "TabSeparated"), strings.HasPrefix(format, "TSV"):
		return "text/tab-separated-values; charset=UTF-8"
	}
	return "text/plain; charset=UTF-8"
}
