// Package complete says what may follow on a command line that is not finished: commands, flags and their values. It has the scripts
// with which bash, zsh and fish ask.
//
// What it offers is put on a command line, and some shells interpret it there. So it offers no value with a character that means
// something to a shell.
package complete

import (
	_ "embed" // the scripts
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

var (
	//go:embed activityctl.bash
	bash string
	//go:embed activityctl.zsh
	zsh string
	//go:embed activityctl.fish
	fish string
)

// Script is the script of a shell; empty if there is none.
func Script(shell string) string {
	return map[string]string{"bash": bash, "zsh": zsh, "fish": fish}[shell]
}

// Candidate is a word that may follow, and what it means.
type Candidate struct{ Word, Help string }

// Answer is what may follow.
type Answer struct {
	Candidates []Candidate
	Files      bool // names of files may follow as well
}

// Values knows values of a flag; files says that they are names of files.
type Values func(f *kong.Flag, typed string) (values []string, files bool)

// Next returns what may stand in place of the last word, which is being typed.
func Next(root *kong.Node, words []string, values Values) Answer {
	if len(words) == 0 {
		words = []string{""}
	}
	at := place{node: root, given: map[string]bool{}}
	for _, word := range words[:len(words)-1] {
		at.pass(word)
	}
	typed := words[len(words)-1]
	switch name, value, ok := strings.Cut(typed, "="); {
	case at.flag != nil:
		return of(at.flag, "", typed, values)
	case at.ended:
		return Answer{Files: false}
	case ok && strings.HasPrefix(name, "--"):
		if f := at.find(name[2:]); f != nil {
			return of(f, name+"=", value, values)
		}
		return Answer{}
	case strings.HasPrefix(typed, "-"):
		return at.flags(typed)
	}
	return at.words(typed)
}

// place is where on a command line the next word stands.
type place struct {
	node  *kong.Node
	flag  *kong.Flag // that the next word is a value of
	given map[string]bool
	ended bool // after --
}

// pass goes over a finished word.
func (p *place) pass(word string) {
	switch {
	case p.flag != nil:
		p.flag = nil
		return
	case p.ended:
		return
	case word == "--":
		p.ended = true
		return
	case strings.HasPrefix(word, "--"):
		name, _, whole := strings.Cut(word[2:], "=")
		p.given[name] = true
		if f := p.find(name); f != nil && !whole && !f.IsBool() {
			p.flag = f
		}
		return
	}
	for _, child := range p.node.Children {
		if child.Name == word && child.Type == kong.CommandNode {
			p.node = child
			return
		}
	}
}

// all are the flags of the command and of those above it.
func (p *place) all() (flags []*kong.Flag) {
	for n := p.node; n != nil; n = n.Parent {
		flags = append(flags, n.Flags...)
	}
	return slices.DeleteFunc(flags, func(f *kong.Flag) bool { return f.Hidden })
}

func (p *place) find(name string) *kong.Flag {
	for _, f := range p.all() {
		if f.Name == name {
			return f
		}
	}
	return nil
}

func (p *place) flags(typed string) (a Answer) {
	seen := map[string]bool{}
	for _, f := range p.all() {
		word := "--" + f.Name
		if strings.HasPrefix(word, typed) && !seen[word] && (!p.given[f.Name] || f.IsSlice()) {
			a.Candidates = append(a.Candidates, Candidate{word, help(f.Help)})
		}
		seen[word] = true
	}
	return a
}

// words are the commands that may follow; where none may, the arguments of the command, or its flags.
func (p *place) words(typed string) (a Answer) {
	for _, child := range p.node.Children {
		if !child.Hidden && child.Type == kong.CommandNode && strings.HasPrefix(child.Name, typed) {
			a.Candidates = append(a.Candidates, Candidate{child.Name, help(child.Help)})
		}
	}
	for _, arg := range p.node.Positional {
		for value := range strings.SplitSeq(arg.Enum, ",") {
			if value != "" && strings.HasPrefix(value, typed) {
				a.Candidates = append(a.Candidates, Candidate{Word: value})
			}
		}
	}
	if len(p.node.Children)+len(p.node.Positional) == 0 && typed == "" {
		return p.flags("--")
	}
	return a
}

// of are the values of a flag. Of a list, the last one is being typed.
func of(f *kong.Flag, before, typed string, values Values) (a Answer) {
	known := strings.FieldsFunc(f.Enum, func(r rune) bool { return r == ',' })
	if len(known) == 0 && f.IsBool() {
		known = []string{"true", "false"}
	}
	list := ""
	if i := strings.LastIndexByte(typed, ','); i >= 0 && f.IsSlice() {
		list, typed = typed[:i+1], typed[i+1:]
	}
	if len(known) == 0 {
		known, a.Files = values(f, typed)
	}
	given := strings.Split(list, ",")
	for _, value := range known {
		if strings.HasPrefix(value, typed) && harmless.MatchString(value) && !slices.Contains(given, value) {
			a.Candidates = append(a.Candidates, Candidate{Word: before + list + value})
		}
	}
	return a
}

// harmless are values that mean the same to every shell. Values of entries come from anybody.
var harmless = regexp.MustCompile(`^[A-Za-z0-9_.@+/][A-Za-z0-9_.@+/-]{0,127}$`)

// help is the first sentence, in one line.
func help(text string) string {
	first, _, _ := strings.Cut(text, ". ")
	return strings.Join(strings.Fields(strings.TrimSuffix(first, ".")), " ")
}

// Split divides a command line into words as a shell does, as far as it is written: the last word may be empty or lack its closing
// quote.
func Split(line string) (words []string) {
	var word strings.Builder
	var quote rune
	escaped, within := false, false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, within = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, within = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if within {
				words = append(words, word.String())
				word.Reset()
			}
			within = false
		default:
			word.WriteRune(r)
			within = true
		}
	}
	return append(words, word.String())
}

// AfterBreak is the part of a candidate that bash still has to insert: it divides words at the characters of breaks, too, and has
// kept what stands before the last of them.
func AfterBreak(candidate, typed, breaks string) string {
	at := strings.LastIndexAny(typed, strings.Map(func(r rune) rune {
		if r == '=' || r == ':' {
			return r
		}
		return -1
	}, breaks))
	return strings.TrimPrefix(candidate, typed[:at+1])
}
