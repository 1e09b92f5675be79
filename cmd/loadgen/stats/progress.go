package stats

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Progress is a line of a terminal that is overwritten. Elsewhere only Say prints.
type Progress struct {
	mu   sync.Mutex
	out  io.Writer
	live bool
	last time.Time
	open bool
}

// NewProgress writes to f.
func NewProgress(f *os.File) *Progress {
	info, err := f.Stat()
	return &Progress{out: f, live: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// Update replaces the line, at most ten times a second.
func (p *Progress) Update(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.live || time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last, p.open = time.Now(), true
	fmt.Fprintf(p.out, "\r\x1b[K"+format, args...)
}

// Say prints a line that stays.
func (p *Progress) Say(format string, args ...any) {
	p.Clear()
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, format+"\n", args...)
}

// Clear removes the line.
func (p *Progress) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.open = false
	}
}
