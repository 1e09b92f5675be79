package scan

import "testing"

func TestSkipBOM(t *testing.T) {
	for text, want := range map[string]int{
		"\ufeff{}": 3, "\ufeff": 3, "\ufeff\ufeff{}": 3, "{}": 0, "": 0, "\xef\xbb": 0, "\xef\xbb{}": 0, " \ufeff{}": 0, "\xbb\xbf\xef{}": 0,
	} {
		var s Scanner
		s.Reset([]byte(text))
		s.SkipBOM()
		if s.Pos() != want {
			t.Errorf("%q: at byte %d, want %d", text, s.Pos(), want)
		}
	}
	var s Scanner
	s.Reset([]byte("1\ufeff"))
	if err := s.Skip(0); err != nil {
		t.Fatal(err)
	}
	if s.SkipBOM(); s.Pos() != 1 || s.End() == nil {
		t.Error("a mark behind the value was skipped")
	}
}
