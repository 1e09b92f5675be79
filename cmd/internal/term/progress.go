package term

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Progress is how far a transfer is. A nil Progress takes everything and shows nothing.
type Progress struct {
	entries, bytes, total atomic.Int64
	before                int64 // entries that an earlier transfer has brought
	began                 time.Time
	stopped               chan struct{}
	drawing               sync.WaitGroup
}

// Watch shows the progress on f until Stop is called; nil if f is no terminal. entries and bytes are there already.
func Watch(f *os.File, entries, bytes int64) *Progress {
	if Width(f) == 0 {
		return nil
	}
	p := &Progress{before: entries, began: time.Now(), stopped: make(chan struct{})}
	p.entries.Store(entries)
	p.bytes.Store(bytes)
	p.drawing.Go(func() { p.draw(f) })
	return p
}

// Set sets how many entries there are, and adds to the bytes.
func (p *Progress) Set(entries, bytes int64) {
	if p != nil {
		p.entries.Store(entries)
		p.bytes.Add(bytes)
	}
}

// Expect sets roughly how many entries there will be.
func (p *Progress) Expect(total int64) {
	if p != nil {
		p.total.Store(total)
	}
}

// Stop leaves the last state on the terminal.
func (p *Progress) Stop() {
	if p != nil {
		close(p.stopped)
		p.drawing.Wait()
	}
}

func (p *Progress) draw(f io.Writer) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		fmt.Fprint(f, "\r", p.line(time.Since(p.began), Width(f)-1), "\x1b[K")
		select {
		case <-p.stopped:
			fmt.Fprint(f, "\r", p.line(time.Since(p.began), Width(f)-1), "\x1b[K\n")
			return
		case <-tick.C:
		}
	}
}

// line describes the progress in n columns: part, entries, bytes, rate and the time that is left, as far as they are known and fit.
func (p *Progress) line(took time.Duration, n int) string {
	entries, bytes, total := p.entries.Load(), p.bytes.Load(), p.total.Load()
	parts := []string{Number(entries) + " entries"}
	part := 0.0
	switch {
	case entries == 0 && bytes > 0: // they are not counted yet
		parts, total = nil, 0
	case total > 0:
		part = min(float64(entries)/float64(total), 1)
		parts = []string{fmt.Sprintf("%3.0f %%", part*100), Number(entries) + " of " + Number(total) + " entries"}
	}
	parts = append(parts, Bytes(bytes))
	if rate := float64(entries-p.before) / took.Seconds(); took >= time.Second && rate > 0 {
		parts = append(parts, Number(int64(rate))+"/s")
		if left := total - entries; left > 0 {
			parts = append(parts, clock(time.Duration(float64(left)/rate*float64(time.Second)))+" left")
		}
	}
	for len(parts) > 1 && Columns(strings.Join(parts, "  ")) > n {
		parts = parts[:len(parts)-1]
	}
	text := Fit(strings.Join(parts, "  "), n)
	if room := min(n-Columns(text)-3, 24); total > 0 && room >= 6 {
		text = "▕" + Bar(part, room) + "▏" + text
	}
	return text
}

// clock is a duration as hours:minutes:seconds.
func clock(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
