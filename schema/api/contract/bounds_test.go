package contract_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/activitylog/activitylog/schema"
)

// grouped writes a number as README.md does: 1,024.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// A bound that is enforced is in the contract and in the documentation, in the unit in which it is enforced.
func TestBoundsAreDocumented(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(string(schema.OpenAPI)), " ")
	for _, b := range []struct {
		most     int
		unit     string
		inReadme string
	}{
		{schema.MaxNameBytes, " bytes", " bytes"},
		{schema.MaxDetailBytes, " bytes", " bytes"},
		{schema.MaxDetailsBytes, " bytes", " bytes"},
		{schema.MaxDepth, " levels", ""},
		{schema.MaxKeys, " keys", ", each once"},
		{16 << 20, " bytes", " bytes"}, // MAX_BODY_BYTES
		{100_000, " entries", ""},      // MAX_ENTRIES
		{8 << 20, " bytes", " bytes"},  // of a zstd window
	} {
		if want := strconv.Itoa(b.most) + b.unit; strings.Count(words, want) < 2 && strings.Count(words, strconv.Itoa(b.most)) < 2 {
			t.Errorf("openapi.yaml does not say %q for both write dialects", want)
		}
		if want := grouped(b.most) + b.inReadme; !strings.Contains(string(readme), want) {
			t.Errorf("README.md does not say %q", want)
		}
	}
	if want := "maxItems: " + strconv.Itoa(schema.MaxTargets); !strings.Contains(words, want) {
		t.Errorf("openapi.yaml does not say %q", want)
	}
}
