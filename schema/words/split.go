package words

import "unicode/utf8"

// splitter appends the words of a text to dst, joined by spaces.
type splitter struct {
	dst   []byte
	start int  // of the first word in dst
	whole bool // the text was normalized as a whole

	run     int   // start of the current run; -1 outside of a run
	end     int   // end of the run's last character
	bare    bool  // the run is of a script without spaces
	offsets []int // of the characters of a bare run in dst
	runs    int   // runs that ended

	rank  uint8 // of the character before
	marks int   // combining marks since the last letter
}

// split appends the words of a text. It returns false if the text must first be normalized as a whole.
func (s *splitter) split(text []byte) bool {
	s.run = -1
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			i += s.ascii(text[i:])
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		i += n
		g := glyphOf(r)
		if !s.whole && !s.inOrder(g) {
			return false
		}
		s.add(g)
	}
	s.close()
	return true
}

// inOrder reports whether a character can be folded without its neighbours: it is composed, and marks are in canonical order.
func (s *splitter) inOrder(g *glyph) bool {
	if g.kind == ignored {
		return true
	}
	if g.rank == 0 {
		s.rank, s.marks = 0, 0
		return !g.odd
	}
	ordered := g.rank >= s.rank
	s.rank, s.marks = g.rank, s.marks+1
	return ordered && !g.odd && s.marks < maxMarks
}

// maxMarks is far below 30, the number of marks after which x/text inserts a character of its own.
const maxMarks = 8

// ascii adds the ASCII characters at the beginning of text, up to a separator, and returns their number. A separator at the very
// beginning ends the run.
func (s *splitter) ascii(text []byte) (n int) {
	s.rank, s.marks = 0, 0
	if tokenByte[text[0]] == 0 {
		s.close()
		return 1
	}
	s.open(false)
	for _, c := range text {
		b := tokenByte[c]
		if b == 0 || b >= utf8.RuneSelf {
			break
		}
		s.dst = append(s.dst, b)
		n++
	}
	s.end = len(s.dst)
	return n
}

// add adds one character.
func (s *splitter) add(g *glyph) {
	switch g.kind {
	case separator:
		s.close()
		return
	case ignored:
		return
	case letter:
		s.open(false)
	case character:
		s.open(true)
		s.offsets = append(s.offsets, len(s.dst))
	case mark:
		if s.run < 0 {
			s.open(false)
		}
	case lone:
		if s.run < 0 {
			s.open(true)
			s.offsets = append(s.offsets, len(s.dst))
		}
	}
	s.dst = append(s.dst, g.to[:g.size]...)
	s.end = len(s.dst)
}

// open begins a run, unless the current one is of the same kind.
func (s *splitter) open(bare bool) {
	if s.run >= 0 && s.bare == bare {
		return
	}
	s.close()
	if len(s.dst) > s.start {
		s.dst = append(s.dst, ' ')
	}
	if bare && s.offsets == nil {
		s.offsets = make([]int, 0, 64) // most runs are shorter
	}
	s.run, s.end, s.bare, s.offsets = len(s.dst), len(s.dst), bare, s.offsets[:0]
}

// close ends the run. A bare run becomes pairs.
func (s *splitter) close() {
	if s.run < 0 {
		return
	}
	if s.bare && len(s.offsets) > 2 {
		s.pair()
	}
	s.run, s.runs = -1, s.runs+1
}

// pair replaces a bare run of three or more characters by its overlapping pairs.
func (s *splitter) pair() {
	s.offsets = append(s.offsets, s.end)
	last := len(s.offsets) - 1
	for i := 1; i+2 <= last; i++ {
		s.dst = append(s.dst, ' ')
		s.dst = append(s.dst, s.dst[s.offsets[i]:s.offsets[i+2]]...)
	}
	// The run begins with its first pair. The rest of the run is removed.
	s.dst = append(s.dst[:s.offsets[2]], s.dst[s.end:]...)
}
