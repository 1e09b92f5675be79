package stats

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/activitylog/activitylog/cmd/internal/term"
)

// Progress is a line of a terminal that is overwritten. Elsewhere only Say prints.
type Progress struct {
	mu   sync.Mutex
	out  *os.File
	last time.Time
	open bool
}

// NewProgress writes to f.
func NewProgress(f *os.File) *Progress {
	return &Progress{out: f}
}

// Update replaces the line, at most ten times a second. It cuts what does not fit.
func (p *Progress) Update(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	width := term.Width(p.out)
	if width == 0 || time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last, p.open = time.Now(), true
	fmt.Fprint(p.out, "\r\x1b[K", term.Fit(term.Clean(fmt.Sprintf(format, args...)), width-1))
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
