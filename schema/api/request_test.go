package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func TestRequestID(t *testing.T) {
	for id, kept := range map[string]bool{
		"req-1": true, "4bf92f3577b34da6a3ce929d0e0e4736": true, strings.Repeat("x", 128): true, "~!{}\"": true,
		"": false, strings.Repeat("x", 129): false, "a b": false, "a\nb": false, "é": false, "\x7f": false,
	} {
		got := RequestID(http.Header{RequestIDHeader: {id}})
		if kept != (got == id) {
			t.Errorf("RequestID(%q) = %q, kept: %v, want %v", id, got, got == id, kept)
		}
		if _, err := uuid.Parse(got); !kept && err != nil {
			t.Errorf("RequestID(%q) = %q, want a UUID", id, got)
		}
	}
	if first, second := RequestID(http.Header{}), RequestID(http.Header{}); first == second {
		t.Error("two requests have the same id")
	}
}
