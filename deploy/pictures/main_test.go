package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

func TestDraw(t *testing.T) {
	var out strings.Builder
	if err := draw(&out, strings.NewReader("\x1b[1mBold\x1b[0m <&> \x1b[2;32mgreen\x1b[39m 日本\x1b[0m\n\n\x1b[95mpink\x1b[")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`font-weight="bold">Bold<`, ` &lt;&amp;&gt; <`, `fill="#98c379" opacity="0.6">green<`, `textLength="42.0" xml:space="preserve" opacity="0.6"> 日本<`, `y="64.0"`, `fill="#c678dd">pink<`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %s in\n%s", want, out.String())
		}
	}
	wellFormed(t, out.String())
}

// The picture in the documents is well-formed, and is one of top.
func TestTopPicture(t *testing.T) {
	text, err := os.ReadFile("top.svg")
	if err != nil {
		t.Fatal(err)
	}
	wellFormed(t, string(text))
	for _, want := range []string{"activitylog", "stored", "waiting", "errors", "ACTION, last minute", "other values"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("want %q in the picture", want)
		}
	}
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
}
