package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
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
	const entry = `{"id":"00000000-0001-803b-8000-00000000616c","userId":"u","user":null,"action":"po\u001b[31mst\u202e","targetType":"DEVICE","targetId":"d",` +
		`"details":{"z":12345678901234567890,"a":1},"ipAddress":null,"userAgent":null,"layer":null,"requestId":null,"createdAt":"2024-02-12T08:00:00.123Z","platform":"tiktok","serial":"d"}`
	var out bytes.Buffer
	if err := (&printer{out: &out, columns: 120}).print(entry); err != nil {
		t.Fatal(err)
	}
	want := `2024-02-12 08:00:00  po·[31mst·                u                       tiktok/d                  DEVICE d {"z":12345678…` + "\n"
	if out.String() != want {
		t.Errorf("got\n%s, want\n%s", out.String(), want)
	}
	out.Reset()
	if err := (&printer{out: &out}).print(entry); err != nil || out.String() != entry+"\n" {
		t.Errorf("got %s, %v, want the entry unchanged", out.String(), err)
	}
}

func FuzzPrint(f *testing.F) {
	f.Add(`{"action":"x","createdAt":"2024-02-12T08:00:00.123Z","details":null}`)
	f.Fuzz(func(t *testing.T, data string) {
		var out bytes.Buffer
		if err := (&printer{out: &out, columns: 120}).print(data); err != nil {
			return
		}
		text := strings.TrimSuffix(out.String(), "\n")
		if strings.ContainsAny(text, "\x00\x07\x08\x1b\r\n\u202e") {
			t.Errorf("%q controls the terminal", text)
		}
	})
}
