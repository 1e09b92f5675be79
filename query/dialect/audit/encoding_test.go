package audit

import (
	"bytes"
	"encoding/csv"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/activitylog/activitylog/schema"
)

// TestFields checks that every format has the fields of item in the same order, but for receivedAt, which only a single entry has.
func TestFields(t *testing.T) {
	names := func(v any, tag string) (all []string) {
		for f := range reflect.TypeOf(v).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get(tag), ",")
			all = append(all, name)
		}
		return all
	}
	want := slices.DeleteFunc(names(item{}, "json"), func(name string) bool { return name == "receivedAt" })
	if !slices.Equal(columns, want) {
		t.Errorf("csv: got %v, want %v", columns, want)
	}
	if got := names(row{}, "parquet"); !slices.Equal(got, want) {
		t.Errorf("parquet: got %v, want %v", got, want)
	}
	if got, want := names(rowUser{}, "parquet"), names(user{}, "json"); !slices.Equal(got, want) {
		t.Errorf("parquet's user: got %v, want %v", got, want)
	}
	if got, want := names(rowTarget{}, "parquet"), names(target{}, "json"); !slices.Equal(got, want) {
		t.Errorf("parquet's target: got %v, want %v", got, want)
	}
}

// FuzzCSV writes a text into the cells and reads it back.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"", "=1+1", "a,\"b\"\n", `\.`, "\r\n", "@", "'", " x", "\n=1", "＝1", " =1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b bytes.Buffer
		table := &table{csv.NewWriter(&b), true}
		e := schema.Entry{Action: text, Device: text, Detail: text}
		it := itemOf(&e)
		if err := table.Write(&e, &it); err != nil {
			t.Fatal(err)
		}
		if err := table.Close(); err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(records) != 2 {
			t.Fatalf("%q: got %q, %v", text, records, err)
		}
		got := records[1][slices.Index(columns, "action")]
		want := strings.ReplaceAll(text, "\r\n", "\n") // as Go's CSV reader does
		if got != want && got != "'"+want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got != "" && strings.Contains("=+-@\t\r\n", got[:1]) || strings.HasPrefix(strings.TrimSpace(got), "＝") {
			t.Errorf("%q is a formula", got)
		}
	})
}
