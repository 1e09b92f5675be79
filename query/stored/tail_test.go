package stored

import "testing"

func FuzzParseTailPosition(f *testing.F) {
	for _, seed := range []string{"", "p0:17,p3:4", "p0:17,p3:4/3:5:12", "/0:0:0", "p1:2/", "p1:2/1:2", "p0:1/65536:0:0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseTailPosition(text)
		if err != nil {
			return
		}
		again, err := ParseTailPosition(m.String())
		if err != nil || again.String() != m.String() {
			t.Errorf("%q: %q, then %q, %v", text, m, again, err)
		}
	})
}
