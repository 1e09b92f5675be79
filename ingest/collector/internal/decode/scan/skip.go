package scan

import "github.com/activitylog/activitylog/schema"

// Skip reads one value of any kind and checks all of it. depth is the number of open objects and arrays around it. It fails
// beyond schema.MaxDepth, so that no text can exhaust the stack.
func (s *Scanner) Skip(depth int) error {
	switch c := s.Peek(); c {
	case '{':
		return s.object(depth + 1)
	case '[':
		return s.array(depth + 1)
	case '"':
		_, err := s.String()
		return err
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		if c != '-' && c-'0' > 9 {
			return s.Fail("a value expected")
		}
		_, err := s.number()
		return err
	}
}

func (s *Scanner) tooDeep() error {
	return &SyntaxError{Offset: s.pos, Want: "nested too deeply"}
}

func (s *Scanner) object(depth int) error {
	if depth > schema.MaxDepth {
		return s.tooDeep()
	}
	s.pos++
	if s.Take('}') {
		return nil
	}
	base := len(s.keys)
	for more := true; more; {
		key, err := s.Key()
		if err != nil {
			return err
		}
		s.note(base, key)
		if err = s.Skip(depth); err != nil {
			return err
		}
		if more, err = s.Next('}'); err != nil {
			return err
		}
	}
	s.keys = s.keys[:base]
	return nil
}

// note adds a key to the object whose keys begin at base.
func (s *Scanner) note(base int, key []byte) {
	if len(s.keys)-base >= schema.MaxKeys {
		s.found(ManyKeys)
		return
	}
	for _, k := range s.keys[base:] {
		if string(k) == string(key) {
			if s.flaw <= Surrogate {
				s.flaw, s.twice = Duplicate, string(key)
			}
			return
		}
	}
	s.keys = append(s.keys, key)
}

func (s *Scanner) array(depth int) error {
	if depth > schema.MaxDepth {
		return s.tooDeep()
	}
	s.pos++
	if s.Take(']') {
		return nil
	}
	for more := true; more; {
		err := s.Skip(depth)
		if err != nil {
			return err
		}
		if more, err = s.Next(']'); err != nil {
			return err
		}
	}
	return nil
}
