package libchdb

import (
	"os"
	"path/filepath"
	"testing"
)

func TestParseError(t *testing.T) {
	tests := []struct {
		text string
		code int
	}{
		{"Code: 60. DB::Exception: Unknown table. (UNKNOWN_TABLE)\n", 60},
		{"Code: 504. DB::Exception: Code: 516. DB::Exception: x. (Y) (version 26.5.1.1). (X)", 504},
		{"No active streaming query", codeUnknown},
		{"Code: 99999999999999999999. x", codeUnknown},
		{"", codeUnknown},
	}
	for _, tt := range tests {
		if got := parseError(tt.text); got.Code != tt.code {
			t.Errorf("%q: got code %d, want %d", tt.text, got.Code, tt.code)
		}
	}
}

func TestLoadOfSomethingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "libchdb.so")
	if err := Load(path); err == nil {
		t.Error("loaded a library that is not there")
	}
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Load(path); err == nil {
		t.Error("loaded a text")
	}
	if err := Load(libcName); err == nil {
		t.Error("took libc for the engine's library")
	}
	if _, err := Connect(); err == nil {
		t.Error("connected without a library")
	}
}
