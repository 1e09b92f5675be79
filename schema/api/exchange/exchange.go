// Package exchange replays HTTP exchanges from files, for tests of dialects. Lines "###" separate the exchanges of a file. An
// exchange has comment lines that begin with "#", the request line, headers, an empty line, optionally the request's body and an
// empty line, then the status, the headers that matter, an empty line and the body. A value that differs in each run is written as
// {{name}}; later requests of the file may use it. Each exchange must match openapi.yaml.
package exchange

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/activitylog/activitylog/schema/api/contract"
)

var update = flag.Bool("update", false, "rewrite the files that tests compare with")

// Update reports whether tests rewrite their files. All packages of a test share the flag.
func Update() bool { return *update }

// Replay configures how exchanges are replayed.
type Replay struct {
	Handler http.Handler
	Headers []string                  // of answers that files show if they are set, in this order
	Varies  map[string]*regexp.Regexp // by name; the first group matches the value that differs
}

// File replays the exchanges of a file and compares the answers. With the flag -update it writes them into the file.
func (p Replay) File(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	var out []string
	for want := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n###\n") {
		want = strings.TrimSpace(want)
		got := p.answer(t, want, known)
		if diff := cmp.Diff(want, got); diff != "" && !*update {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
		out = append(out, got)
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n###\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var variable = regexp.MustCompile(`\{\{(\w+)\}\}`)

// answer performs the request of an exchange and returns the exchange with the answer.
func (p Replay) answer(t *testing.T, exchange string, known map[string]string) string {
	t.Helper()
	request, r, body := requestOf(t, exchange, known)
	w := httptest.NewRecorder()
	p.Handler.ServeHTTP(w, r)
	contract.Hold(t, contract.Exchange{
		Method: r.Method, Target: r.RequestURI, Header: r.Header, Body: []byte(body),
		Status: w.Code, AnswerHeader: w.Header(), Answer: w.Body.Bytes(),
	})
	b := bytes.NewBufferString(fmt.Sprint(w.Code) + "\n")
	for _, name := range p.Headers {
		if value := w.Header().Get(name); value != "" {
			fmt.Fprintf(b, "%s: %s\n", name, value)
		}
	}
	return request + "\n\n" + strings.TrimSpace(p.named(b.String()+"\n"+strings.TrimSpace(w.Body.String()), known))
}

var status = regexp.MustCompile(`^\d{3}(\n|$)`)

// requestOf builds the request of an exchange; text is its source.
func requestOf(t *testing.T, exchange string, known map[string]string) (text string, r *http.Request, body string) {
	t.Helper()
	text, rest, _ := strings.Cut(exchange, "\n\n")
	head := strings.Split(text, "\n")
	for strings.HasPrefix(head[0], "#") {
		head = head[1:]
	}
	if !status.MatchString(rest) {
		body, _, _ = strings.Cut(rest, "\n\n")
		text += "\n\n" + body
	}
	filled := func(s string) string {
		return variable.ReplaceAllStringFunc(s, func(v string) string {
			if _, ok := known[v]; !ok {
				t.Errorf("no earlier answer of the file has %s", v)
			}
			return known[v]
		})
	}
	body = filled(body)
	method, target, _ := strings.Cut(filled(head[0]), " ")
	r = httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	r.Host = "localhost"
	for _, h := range head[1:] {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, filled(value))
	}
	return text, r, body
}

// named replaces each value that differs by its name, and remembers the value.
func (p Replay) named(text string, known map[string]string) string {
	for name, varies := range p.Varies {
		at := varies.FindStringSubmatchIndex(text)
		if at == nil {
			continue
		}
		name = "{{" + name + "}}"
		known[name] = text[at[2]:at[3]]
		text = text[:at[2]] + name + text[at[3]:]
	}
	return text
}
