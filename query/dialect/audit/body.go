package audit

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"net/http"
	"strconv"
)

// body is the body of an export. Status and headers are sent with its first piece.
type body struct {
	w     http.ResponseWriter
	start func() // sets the headers
	begun bool
	count uint64 // of entries
	sum   hash.Hash
	piece *bufio.Writer
}

func newBody(w http.ResponseWriter, start func()) *body {
	b := &body{w: w, start: start, sum: sha256.New()}
	b.piece = bufio.NewWriterSize(pieces{b}, 64<<10)
	return b
}

func (b *body) Write(p []byte) (int, error) { return b.piece.Write(p) }

// pieces sends the pieces of a body.
type pieces struct{ b *body }

func (s pieces) Write(p []byte) (int, error) {
	if !s.b.begun {
		s.b.begun = true
		s.b.start()
	}
	s.b.sum.Write(p)
	return s.b.w.Write(p)
}

// end sends the rest and sets the trailers.
func (b *body) end() error {
	if err := b.piece.Flush(); err != nil {
		return err
	}
	if !b.begun { // the body is empty
		b.start()
		b.w.WriteHeader(http.StatusOK)
	}
	// Over HTTP/2 a short body would get a length, after which some clients, such as curl, look for no trailers.
	if err := http.NewResponseController(b.w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	b.w.Header().Set(ExportRows, strconv.FormatUint(b.count, 10))
	b.w.Header().Set(ExportSHA256, hex.EncodeToString(b.sum.Sum(nil)))
	return nil
}
