package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/libchdb"
)

// inPieces are the formats whose documents can be sent one after another as one document. All others have something
// before the first row or after the last.
var inPieces = []string{
	"CSV", "JSONCompactEachRow", "JSONEachRow", "JSONLines", "JSONStringsEachRow", "LineAsString", "NDJSON", "Native", "Null", "RawBLOB",
	"RowBinary", "TSV", "TSVRaw", "TabSeparated", "TabSeparatedRaw",
}

// heldBack are the bytes of a document that wait for its end or for more, because the engine ends a document properly also
// when its query fails: a short one must not go out with status 200.
const heldBack = 64 << 10

// read sends the rows of a query in constant memory.
func read(ctx context.Context, s *session, req *request, a *answer) error {
	if !slices.Contains(inPieces, req.format) {
		return readDocument(s, req, a)
	}
	stream, err := s.Stream(req.query())
	if err != nil {
		return err
	}
	defer stream.Close()
	for ctx.Err() == nil {
		piece, err := stream.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		a.progress = stream.Progress()
		if _, err := a.Write(piece); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// readDocument lets the engine write the whole document into a pipe, for its streams would write one a piece.
func readDocument(s *session, req *request, a *answer) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	defer func() { _ = r.Close() }()
	var sent error
	var wg sync.WaitGroup
	begin := bufio.NewWriterSize(a, heldBack)
	wg.Go(func() {
		_, sent = io.Copy(begin, r)
		_, _ = io.Copy(io.Discard, r) // the engine must not wait for a client that is gone
	})
	q := libchdb.Query{SQL: req.stmt.Into(libchdb.Descriptor(w), req.format, req.settings), Params: req.params}
	_, _, err = s.Exec(q)
	_ = w.Close()
	wg.Wait()
	if err := errors.Join(err, sent); err != nil {
		return err
	}
	return begin.Flush()
}
