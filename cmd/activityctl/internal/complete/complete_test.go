package complete

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

type grammar struct {
	Color string `enum:"auto,never" default:"auto" help:"Colours. More about them."`
	Quiet bool   `hidden:""`
	Read  struct {
		Format string   `enum:"csv,json" default:"csv"`
		Scope  []string `enum:"read,write" default:"read"`
		Out    string
		Action string
		Deep   bool
	} `cmd:"" help:"Read. All of it."`
	Key struct {
		List struct{} `cmd:""`
		Make struct {
			Kind string `arg:"" enum:"big,small"`
		} `cmd:""`
	} `cmd:""`
	Secret struct{} `cmd:"" hidden:""`
}

func TestNext(t *testing.T) {
	parser, err := kong.New(&grammar{})
	if err != nil {
		t.Fatal(err)
	}
	values := func(f *kong.Flag, _ string) ([]string, bool) {
		return map[string][]string{"action": {"pay", "pay;id", "$(id)", "-x", "a b", "p\x1b", "päy", "Pay_1.2"}}[f.Name], f.Name == "out"
	}
	for line, want := range map[string]string{
		"":                       "key read",
		"re":                     "read",
		"x":                      "",
		"--":                     "--color --help",
		"--color ":               "auto never",
		"--color=n":              "--color=never",
		"--color n":              "never",
		"--nonsense=":            "",
		"--color never k":        "key",
		"key ":                   "list make",
		"key make ":              "big small",
		"key make s":             "small",
		"read ":                  "--action --color --deep --format --help --out --scope",
		"read --deep --d":        "",
		"read --deep ":           "--action --color --format --help --out --scope",
		"read --scope read --s":  "--scope",
		"read --scope read,":     "read,write",
		"read --scope=read,w":    "--scope=read,write",
		"read --out ":            ":files",
		"read --out=x":           ":files",
		"read --action ":         "Pay_1.2 pay",
		"read --action=p":        "--action=pay",
		"read -- --f":            "",
		"read --format csv key ": "--action --color --deep --help --out --scope",
		"read --deep=f":          "--deep=false",
	} {
		words := strings.Split(line, " ")
		a := Next(parser.Model.Node, words, values)
		var got []string
		for _, c := range a.Candidates {
			got = append(got, c.Word)
			if c.Word == "read" && c.Help != "Read" {
				t.Errorf("help: got %q", c.Help)
			}
		}
		slices.Sort(got)
		if a.Files {
			got = append(got, ":files")
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", line, strings.Join(got, " "), want)
		}
	}
	if a := Next(parser.Model.Node, nil, values); len(a.Candidates) != 2 {
		t.Errorf("no words: got %v", a)
	}
}

func TestSplit(t *testing.T) {
	for line, want := range map[string]string{
		"": "", "a": "a", "a ": "a|", "a b": "a|b", "  a  b": "a|b", `a 'b c' d`: "a|b c|d", `a "b c`: "a|b c", `a b\ c`: "a|b c", `a ''`: "a|", `a '' b`: "a||b", `'\'`: `\`, "a\\": "a", `"a\"b" c`: `a"b|c`,
	} {
		if got := strings.Join(Split(line), "|"); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

func TestAfterBreak(t *testing.T) {
	for _, tt := range [][4]string{
		{"--format=csv", "--format=c", " =:", "csv"}, {"--format=csv", "--format=c", " ", "--format=csv"}, {"http://", "http:", ":", "//"}, {"read", "re", "=:", "read"},
	} {
		if got := AfterBreak(tt[0], tt[1], tt[2]); got != tt[3] {
			t.Errorf("%q: got %q", tt, got)
		}
	}
}

func TestScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if !strings.Contains(Script(shell), "activityctl complete") && !strings.Contains(Script(shell), "complete "+shell) {
			t.Errorf("%s: got %q", shell, Script(shell))
		}
	}
	if Script("csh") != "" {
		t.Error("a script for csh")
	}
}
