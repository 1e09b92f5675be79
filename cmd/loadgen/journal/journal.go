// Package journal records what a load generator was answered: which entries were acknowledged with which ids, and which attempts have
// an unknown outcome. Stored entries are compared with it. A journal is a text file:
//
//	loadgen 1 <seed> <total> <start of the workload, Unix ms>
//	A <first entry> <id> <id> …      acknowledged, by entry; 0 for an entry that was refused
//	U <first entry> <n>              sent, no response: each may be stored once
package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
)

// Head is the workload of a journal.
type Head struct {
	Seed  uint64
	Total int
	Start int64 // Unix ms
}

// Writer appends to a journal. It is safe for concurrent use.
type Writer struct {
	mu   sync.Mutex
	f    *os.File
	w    *bufio.Writer
	line []byte
}

// Create creates a journal file.
func Create(name string, h Head) (*Writer, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	w := &Writer{f: f, w: bufio.NewWriterSize(f, 1<<20)}
	fmt.Fprintf(w.w, "loadgen 1 %d %d %d\n", h.Seed, h.Total, h.Start)
	return w, nil
}

// Acknowledged records the ids of the entries from first on.
func (w *Writer) Acknowledged(first int, ids []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line = strconv.AppendInt(append(w.line[:0], "A "...), int64(first), 10)
	for _, id := range ids {
		w.line = strconv.AppendUint(append(w.line, ' '), id, 10)
	}
	_, _ = w.w.Write(append(w.line, '\n')) // Close returns the error again
}

// Unknown records an attempt at n entries without a response.
func (w *Writer) Unknown(first, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(w.w, "U %d %d\n", first, n)
}

// Close writes what is buffered. After an error the journal is incomplete.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := errors.Join(w.w.Flush(), w.f.Close()); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// Journal is the content of a journal file.
type Journal struct {
	Head
	Acknowledged map[uint64]int // entry by id
	Unknown      map[int]int    // attempts without a response, by entry
	Repeated     []uint64       // ids that were acknowledged for two entries
}

// Read reads a whole journal.
func Read(r io.Reader) (*Journal, error) {
	j := &Journal{Acknowledged: map[uint64]int{}, Unknown: map[int]int{}}
	in := bufio.NewReaderSize(r, 1<<20)
	if _, err := fmt.Fscanf(in, "loadgen 1 %d %d %d\n", &j.Seed, &j.Total, &j.Start); err != nil {
		return nil, fmt.Errorf("read journal: first line: %w", err)
	}
	for n := 2; ; n++ {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return j, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read journal: line %d: %w", n, err)
		}
		if err := j.add(strings.Fields(line)); err != nil {
			return nil, fmt.Errorf("read journal: line %d: %w", n, err)
		}
	}
}

func (j *Journal) add(fields []string) error {
	if len(fields) < 3 {
		return errors.New("too few fields")
	}
	first, err := strconv.Atoi(fields[1])
	if err != nil {
		return err
	}
	switch fields[0] {
	case "A":
		return j.acknowledge(first, fields[2:])
	case "U":
		n, err := strconv.Atoi(fields[2])
		for i := range n {
			j.Unknown[first+i]++
		}
		return err
	}
	return fmt.Errorf("unknown kind %q", fields[0])
}

func (j *Journal) acknowledge(first int, ids []string) error {
	for i, text := range ids {
		id, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return err
		}
		if id == 0 {
			continue
		}
		if at, ok := j.Acknowledged[id]; ok && at != first+i {
			j.Repeated = append(j.Repeated, id)
		}
		j.Acknowledged[id] = first + i
	}
	return nil
}
