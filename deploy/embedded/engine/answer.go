package engine

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/libchdb"
	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/wire"
)

// writeTime is how long a client may take to read a piece of an answer. A client that stops reading would block a connection.
const writeTime = time.Minute

// answer writes the result of a statement. The headers are sent with the first bytes, so that an earlier error gets its own status.
// A later error ends the body with ClickHouse's exception marker.
type answer struct {
	w        http.ResponseWriter
	req      *request
	begin    time.Time
	progress libchdb.Progress
	tag      string         // of an exception in the body
	out      io.WriteCloser // nil until the first bytes
}

// Write sends a piece of the result. In formats with blocks, a piece is a whole number of blocks.
func (a *answer) Write(piece []byte) (int, error) {
	if len(piece) == 0 {
		return 0, nil
	}
	send := piece
	if revision := a.req.answer.Revision; revision > 0 && a.req.format == "Native" {
		var err error
		if send, err = wire.Frame(piece, revision); err != nil {
			return 0, err
		}
	}
	if a.out == nil {
		if err := a.start(); err != nil {
			return 0, err
		}
	}
	_ = http.NewResponseController(a.w).SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := a.out.Write(send); err != nil {
		return 0, err
	}
	return len(piece), nil
}

func (a *answer) start() (err error) {
	a.headers()
	h := a.w.Header()
	if t := a.req.answer.Transfer; t != "" {
		h.Set("Content-Encoding", t)
	}
	a.tag = strings.ToLower(rand.Text()[:16])
	h.Set("X-ClickHouse-Exception-Tag", a.tag)
	a.out, err = a.req.answer.NewWriter(a.w)
	return err
}

func (a *answer) headers() {
	h := a.w.Header()
	h.Set("Content-Type", contentType(a.req.format))
	h.Set("X-ClickHouse-Format", a.req.format)
	h.Set("X-ClickHouse-Summary", summary(a.progress, time.Since(a.begin)))
}

// end completes the body, or sends an empty one.
func (a *answer) end() error {
	if a.out != nil {
		return a.out.Close()
	}
	a.headers()
	a.w.WriteHeader(http.StatusOK)
	return nil
}

// fail answers with err and returns the status. If the body has begun, it breaks the connection after the exception, so that no
// client takes the rows so far for the complete result.
func (a *answer) fail(err error) int {
	if a.out == nil {
		return fail(a.w, err)
	}
	text := err.Error()
	_, _ = fmt.Fprintf(a.out, "\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", a.tag, text, len(text)+1, a.tag)
	_ = a.out.Close()
	control := http.NewResponseController(a.w)
	_ = control.Flush()
	if conn, _, err := control.Hijack(); err == nil {
		_ = conn.Close()
	}
	return http.StatusInternalServerError
}

func summary(p libchdb.Progress, d time.Duration) string {
	return fmt.Sprintf(`{"read_rows":"%d","read_bytes":"%d","written_rows":"%d","written_bytes":"%d","elapsed_ns":"%d"}`,
		p.ReadRows, p.ReadBytes, p.WrittenRows, p.WrittenBytes, d.Nanoseconds())
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
