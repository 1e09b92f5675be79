// Package rows writes an export so that it always ends where it can be resumed: after a complete entry.
package rows

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Writer writes an export in complete rows only.
type Writer struct {
	Out    io.Writer
	Format string // ndjson, json or csv
	N      int    // entries so far
	Last   []byte // the last one
	Header []byte // of a CSV

	pending []byte
	start   int  // where the incomplete row in pending starts
	scanned int  // up to where pending has been searched for the end of a row
	quoted  bool // a quoted CSV cell is open at scanned
}

// Write implements io.Writer. It keeps an incomplete row until the rest arrives, or until Flush.
func (r *Writer) Write(p []byte) (int, error) {
	r.pending = append(r.pending, p...)
	whole := 0
	for {
		end := r.rowEnd()
		if end < 0 {
			break
		}
		if n := r.row(r.pending[r.start:end]); n > 0 {
			whole = r.start + n
		}
		r.start = end
	}
	if _, err := r.Out.Write(r.pending[:whole]); err != nil {
		return 0, err
	}
	r.pending = append(r.pending[:0], r.pending[whole:]...)
	r.start, r.scanned = r.start-whole, r.scanned-whole
	return len(p), nil
}

// rowEnd returns where the next row of pending ends, or -1.
func (r *Writer) rowEnd() int {
	for {
		i := bytes.IndexByte(r.pending[r.scanned:], '\n')
		if i < 0 {
			if r.Format == "csv" {
				r.quoted = r.quoted != (bytes.Count(r.pending[r.scanned:], []byte{'"'})%2 == 1)
			}
			r.scanned = len(r.pending)
			return -1
		}
		line := r.pending[r.scanned : r.scanned+i]
		r.scanned += i + 1
		if r.Format == "csv" {
			if r.quoted = r.quoted != (bytes.Count(line, []byte{'"'})%2 == 1); r.quoted {
				continue
			}
		}
		return r.scanned
	}
}

// row handles a complete row with its line end, and returns how many bytes of it can be written now. What precedes the first entry is
// written with that entry, and the comma after a JSON item with the next item.
func (r *Writer) row(row []byte) int {
	text, whole := bytes.TrimSuffix(row, []byte{'\n'}), len(row)
	switch r.Format {
	case "json":
		text = bytes.TrimSuffix(text, []byte{','})
		whole = len(text)
		switch string(text) {
		case "[", "":
			return 0
		case "]":
			return len(row)
		}
	case "csv":
		if r.Header == nil {
			r.Header = bytes.Clone(text)
			return 0
		}
	}
	r.N++
	r.Last = append(r.Last[:0], text...)
	return whole
}

// Flush writes what is left at the end of a document.
func (r *Writer) Flush() error {
	_, err := r.Out.Write(r.pending)
	r.Drop()
	return err
}

// Drop discards the rest of a document that broke off.
func (r *Writer) Drop() { r.pending, r.start, r.scanned, r.quoted = nil, 0, 0, false }

// After returns the last entry as the parameter after; empty without one.
func (r *Writer) After() (string, error) {
	if r.N == 0 {
		return "", nil
	}
	var entry struct{ CreatedAt, ID string }
	if r.Format != "csv" {
		err := json.Unmarshal(r.Last, &entry)
		return entry.CreatedAt + "," + entry.ID, err
	}
	records, err := csv.NewReader(io.MultiReader(bytes.NewReader(r.Header), strings.NewReader("\n"), bytes.NewReader(r.Last))).ReadAll()
	if err != nil || len(records) != 2 {
		return "", errors.Join(err, fmt.Errorf("want two records, got %d", len(records)))
	}
	for i, name := range records[0] {
		switch name {
		case "id":
			entry.ID = records[1][i]
		case "createdAt":
			entry.CreatedAt = records[1][i]
		}
	}
	return entry.CreatedAt + "," + entry.ID, nil
}
