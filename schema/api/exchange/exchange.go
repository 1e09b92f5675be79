// Package exchange replays exchanges of HTTP that are kept in files, for tests of dialects. A file holds exchanges apart by
// lines "###": lines of comment that begin with "#", the request line, its headers, an empty line, perhaps the request's body and
// an empty line, the status, headers that matter, an empty line and the body. What no two runs have in common stands there as
// {{name}}, and later requests of the file may use it. Each exchange has to be one that openapi.yaml describes.
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

var update = flag.Bool("update", false, "write into the files anew what tests compare with them")

// Update reports whether tests shall write their files anew. The flag is one for all of a test's packages.
func Update() bool { return *update }

// Replay says how exchanges are replayed.
type Replay struct {
	Handler http.Handler
	Headers []string                  // of an answer that are shown where they are set, in this order
	Varies  map[string]*regexp.Regexp // by name: what finds a value that differs, as its first group
}

// File replays the exchanges of a file. With the flag -update it writes the answers into the file.
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

// answer performs the request of an exchange and returns the exchange with the answer that it got.
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

// requestOf makes the request of an exchange, with its body; text is what it is made of.
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
				t.Errorf("nothing before has answered with %s", v)
			}
			return known[v]
		})
	}
	body = filled(body)
	method, target, _ := strings.Cut(filled(head[0]), " ")
	r = httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	for _, h := range head[1:] {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, filled(value))
	}
	return text, r, body
}

// named puts names in the place of what varies, and remembers the values.
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
