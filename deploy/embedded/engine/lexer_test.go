package engine

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/statement"
)

// TestStatementsReadAsTheEngineReadsThem combines tokens that could hide the end of a statement. A text that is accepted as one
// statement must be one statement to the engine.
func TestStatementsReadAsTheEngineReadsThem(t *testing.T) {
	pieces := []string{
		"SELECT ", "1", ";", "; SELECT 2", "'", "\"", "`", "\\", "--", "\n", "/*", "*/", "#", "# ", "#!", "x", "b'", "X'", "''", "\\'", "$$", "$a$", "$", "\u2018",
		"\u201c", "\u2212", "\u00a0", "(", ")", ",", "0x", "1e", ".", "a", "\x00", "\t", "\\G", "{a:String}", "@@", "->", "::", "FROM t", "SETTINGS a = 1",
	}
	random := rand.New(rand.NewPCG(1, 2))
	c := start(t)
	escape := strings.NewReplacer("\\", `\\`, "\n", `\n`, "\t", `\t`, "\x00", `\0`)
	ask := func(text string) reply {
		return c.do(http.MethodPost, "SELECT formatQuery({q:String})", nil, "param_q", escape.Replace(text))
	}
	if got := ask("SELECT 1; SELECT 2"); !strings.Contains(got.body, "Multi-statements") {
		t.Fatalf("got %s, want the engine to say that these are two", got.body)
	}
	taken := 0
	for range 20_000 {
		var b strings.Builder
		b.WriteString("SELECT ")
		for range 1 + random.IntN(9) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		text := b.String()
		s, err := statement.Parse(text)
		if err != nil || !strings.Contains(text, ";") {
			continue
		}
		taken++
		if got := ask(s.With("")); strings.Contains(got.body, "Multi-statements") {
			t.Errorf("%q, sent on as %q, is several statements to the engine", text, s.With(""))
		}
	}
	t.Logf("%d texts with a semicolon were taken", taken)
	if taken < 100 {
		t.Errorf("only %d texts were taken, want enough to compare", taken)
	}
}
