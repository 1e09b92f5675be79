package reply

import "testing"

func TestPlainCell(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "a=1": "a=1", " =1": " =1", "1-2": "1-2", "é": "é",
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "'\r=1",
	} {
		if got := PlainCell(s); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
}
