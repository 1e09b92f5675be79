package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/activitylog/activitylog/cmd/activityctl/internal/show"
	"github.com/activitylog/activitylog/cmd/internal/identity/apikey"
	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/schema"
)

func TestEvents(t *testing.T) {
	const text = "retry: 2000\nid: p0:1\n\n: alive\nid: p0:2\n\nid: p0:3/0:4:1\nevent: entry\ndata: {\"a\":\"b: c\"}\n\nid: cut off"
	var got []string
	e := events{print: func(entry string) error { got = append(got, entry); return nil }}
	if err := e.follow(strings.NewReader(text)); err == nil || e.last != "p0:3/0:4:1" || !slices.Equal(got, []string{`{"a":"b: c"}`}) {
		t.Errorf("got %v, %v, last %s", got, err, e.last)
	}
	own := errors.New("own")
	e = events{print: func(string) error { return own }}
	if err := e.follow(strings.NewReader(text)); !errors.Is(err, errOutput) || !errors.Is(err, own) || e.last != "p0:2" {
		t.Errorf("got %v, last %s: want no event handled that was not printed", err, e.last)
	}
}

func TestPrint(t *testing.T) {
	const entry = `{"id":"00000000-0001-803b-8000-00000000616c","userId":"u","user":null,"action":"po\u001b[31mst\u202e","targetType":"TICKET","targetId":"d",` +
		`"details":{"z":12345678901234567890,"a":1},"ipAddress":null,"userAgent":null,"layer":null,"requestId":null,"createdAt":"2024-02-12T08:00:00.123Z","platform":"tiktok","serial":"d"}`
	for _, tt := range []struct {
		width int
		color bool
		want  string
	}{
		{120, false, `2024-02-12 08:00:00  po·[31mst·                u                       tiktok/d                  TICKET d {"z":12345678…`},
		{80, false, `2024-02-12 08:00:00  po·[31mst·      u             tiktok/d        TICKET d {"z…`},
		{70, false, `08:00:00  po·[31mst·      u             tiktok/d        TICKET d {"z"…`},
		{40, false, `08:00:00  po·[31mst·  tiktok/d    TICKE…`},
		{80, true, "\x1b[2m2024-02-12 08:00:00\x1b[0m  \x1b[" + string(term.Hue("po\x1b[31mst\u202e")) + "mpo·[31mst·\x1b[0m      u             \x1b[36mtiktok/d\x1b[0m        TICKET d {\"z…"},
	} {
		var out bytes.Buffer
		p := &printer{out: term.Output{Writer: &out, Width: tt.width, Color: tt.color}}
		if err := p.print(entry); err != nil {
			t.Fatal(err)
		}
		if out.String() != tt.want+"\n" {
			t.Errorf("%d columns: got\n%s, want\n%s", tt.width, out.String(), tt.want)
		}
	}
	var out bytes.Buffer
	if err := (&printer{out: term.Output{Writer: &out}, json: true}).print(entry); err != nil || out.String() != entry+"\n" {
		t.Errorf("got %s, %v, want the entry unchanged", out.String(), err)
	}
}

func TestWhat(t *testing.T) {
	for data, want := range map[string]string{
		`{"targetType":"DEVICE","targetId":"d","serial":"d","details":{"detail":"plain \"text\""}}`: `plain "text"`,
		`{"targetType":"DEVICE","targetId":"other","serial":"d","details":null}`:                    "DEVICE other",
		`{"targetType":"TICKET","targetId":"7","details":{"detail":"text","amount":1}}`:             `TICKET 7 {"detail":"text","amount":1}`,
		`{"targetType":null,"targetId":null,"details":{"detail":7}}`:                                `{"detail":7}`,
	} {
		var e show.Entry
		if err := json.Unmarshal([]byte(data), &e); err != nil || e.What() != want {
			t.Errorf("%s: got %q, %v, want %q", data, e.What(), err, want)
		}
	}
}

func TestPrintEntries(t *testing.T) {
	page := []json.RawMessage{
		json.RawMessage(`{"action":"login","createdAt":"2024-02-12T08:00:00.123Z","details":null,"tenant":"acme"}`),
		json.RawMessage(`{"action":"pay","createdAt":"2024-02-12T08:00:01Z","details":{"a":1},"username":"ann","platform":"ios","serial":"d"}`),
	}
	var b bytes.Buffer
	if err := printEntries(term.Output{Writer: &b}, page, 7); err != nil {
		t.Fatal(err)
	}
	const want = "TIME (UTC)           TENANT  ACTION  ACTOR  DEVICE  TARGET AND DETAILS\n" +
		"2024-02-12 08:00:00  acme    login   -      -       -\n2024-02-12 08:00:01  -       pay     ann    ios/d   {\"a\":1}\n"
	if b.String() != want {
		t.Errorf("got\n%s, want\n%s", b.String(), want)
	}
	b.Reset()
	if err := printEntries(term.Output{Writer: &b, Width: 50}, page[1:], 7); err != nil || strings.Contains(b.String(), "TENANT") || !strings.Contains(b.String(), "1 of 7 entries") {
		t.Errorf("got %s, %v", b.String(), err)
	}
	b.Reset()
	if err := printEntries(term.Output{Writer: &b}, nil, 0); err != nil || b.String() != "no entries match\n" {
		t.Errorf("got %s, %v", b.String(), err)
	}
	if err := printEntries(term.Output{Writer: &b}, []json.RawMessage{json.RawMessage(`{"action":1}`)}, 1); err == nil {
		t.Error("an entry that is none: got no error")
	}
}

func TestOutage(t *testing.T) {
	var b bytes.Buffer
	out, id := term.Output{Writer: &b}, "p0:1"
	var o outage
	o.over(out, nil)
	o.says(out, "it \x1b[2Jstops")
	o.says(out, "it \x1b[2Jstops")
	o.says(out, "refused")
	o.over(out, &id)
	o.over(out, &id)
	o.says(out, "again")
	o.over(out, nil)
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	for i, want := range []string{"interrupted at", "still interrupted: refused", "nothing is missing", "again", "are missing"} {
		if len(lines) != 5 || !strings.Contains(lines[i], want) || strings.Contains(lines[i], "\x1b") {
			t.Fatalf("got %q, want %q in line %d of 5", lines, want, i)
		}
	}
}

func FuzzPrint(f *testing.F) {
	f.Add(`{"action":"x","createdAt":"2024-02-12T08:00:00.123Z","details":null}`, 120)
	f.Fuzz(func(t *testing.T, data string, width int) {
		width = max(width%300, 1)
		var out bytes.Buffer
		if err := (&printer{out: term.Output{Writer: &out, Width: width}}).print(data); err != nil {
			return
		}
		text := strings.TrimSuffix(out.String(), "\n")
		if strings.ContainsAny(text, "\x00\x07\x08\x1b\r\n\u202e") || term.Columns(text) > width {
			t.Errorf("%q controls the terminal, or is wider than %d", text, width)
		}
	})
}

// Every table fits the terminal, whatever is in it.
func TestTablesFit(t *testing.T) {
	long := strings.Repeat("long-日本語 \x1b[31m", 50)
	for _, width := range []int{30, 40, 80, 200} {
		var b bytes.Buffer
		out := term.Output{Writer: &b, Width: width}
		letters := []deadLetter{
			{At: time.Unix(0, 0), Reason: "short"},
			{At: time.Now(), Partition: 511, Offset: 9007199254740991, Index: 65535, bytes: 16 << 20, Reason: strings.Repeat("detail: a string is not UTF-8\n\x1b[31m ", 20)},
		}
		keys := []apikey.Key{{ID: "0123456789ab", Name: long, Tenant: long, Roles: []string{"ADMIN", "Analyst"}, Scopes: schema.Scopes(), Rate: 0.5}}
		c := &counts{Total: 7, By: "action", Counts: []valueCount{{long, 6}}, Other: 1}
		a := adoption{Why: long, TablesLog: "log", Partitions: []continuation{{1, 9007199254740991, 9007199254740991}}}
		for _, err := range []error{
			(&dead{Limit: 2}).print(out, letters), tabulate(out, keys), c.print(out), (&ids{IDs: []string{"9007199254740991"}}).run(t.Context(), out),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		b.WriteString(a.table(out))
		for line := range strings.Lines(b.String()) {
			if n := term.Columns(strings.TrimSuffix(line, "\n")); n > width && !strings.Contains(line, "--limit") || strings.Contains(line, "\x1b") {
				t.Errorf("%d of %d columns: %q", n, width, line)
			}
		}
	}
}
