package main

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/activitylog/activitylog/cmd/internal/term"

	"github.com/activitylog/activitylog/schema"
)

func TestIDs(t *testing.T) {
	u := schema.UUID(70_000).String()
	for _, text := range []string{"70000", "act-70000", "070000", u, strings.ToUpper(u), strings.ReplaceAll(u, "-", "")} {
		var out bytes.Buffer
		if err := (&ids{IDs: []string{text}}).run(t.Context(), term.Output{Writer: &out}); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		want := []string{"id", "70000", "act", "act-70000", "guid", strings.ReplaceAll(u, "-", ""), "uuid", u, "block", "1"}
		if got := strings.Fields(out.String()); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"", "-1", "act-", "act-act-1", "9007199254740992", "x", "01890a5d-ac96-774b-bcce-b302099a8057"} {
		if id, err := parseID(text); err == nil {
			t.Errorf("parseID(%q) = %d, want an error", text, id)
		}
	}
}

// FuzzParseID: a parsed id is the same in all its forms.
func FuzzParseID(f *testing.F) {
	for _, s := range []string{"1", "act-2", schema.UUID(3).String(), "9007199254740991", "00000000000000000000000000000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := parseID(text)
		if err != nil {
			return
		}
		u := schema.UUID(id).String()
		for _, form := range []string{strconv.FormatUint(id, 10), "act-" + strconv.FormatUint(id, 10), u, strings.ReplaceAll(u, "-", "")} {
			if again, err := parseID(form); err != nil || again != id {
				t.Fatalf("%q is %d, but as %q it is %d, %v", text, id, form, again, err)
			}
		}
	})
}
