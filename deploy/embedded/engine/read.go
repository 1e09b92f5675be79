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

// inPieces are the formats in which several documents, joined, are one document. All others have text before the first row or after
// the last.
var inPieces = []string{
	"CSV", "JSONCompactEachRow", "JSONEachRow", "JSONLines", "JSONStringsEachRow", "LineAsString", "NDJSON", "Native", "Null", "RawBLOB",
	"RowBinary", "TSV", "TSVRaw", "TabSeparated", "TabSeparatedRaw",
}

// heldBack is how many bytes of a document are buffered before the first are sent. The engine completes a document also if its query
// fails; a short one must not be sent with status 200.
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

// readDocument lets the engine write the whole document into a pipe, because its streams would write a document for each piece.
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
		_, _ = io.Copy(io.Discard, r) // the engine must not block on a client that has disconnected
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
