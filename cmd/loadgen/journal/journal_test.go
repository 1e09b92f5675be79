package journal

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJournalRoundTrip(t *testing.T) {
	name := filepath.Join(t.TempDir(), "journal")
	head := Head{Seed: 42, Total: 1000, Start: 1_700_000_000_000}
	w, err := Create(name, head)
	if err != nil {
		t.Fatal(err)
	}
	w.Acknowledged(0, []uint64{65536, 0, 65537})
	w.Unknown(3, 2)
	w.Unknown(4, 1)
	w.Acknowledged(5, []uint64{65536})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	want := &Journal{Head: head, Acknowledged: map[uint64]int{65536: 5, 65537: 2}, Unknown: map[int]int{3: 1, 4: 2}, Repeated: []uint64{65536}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
}

func TestReadRefusesWhatIsNoJournal(t *testing.T) {
	const head = "loadgen 1 1 1 1\n"
	for _, text := range []string{"", "hello\n", head + "A 1\n", head + "A x 1\n", head + "A 1 x\n", head + "B 1 2\n", head + "U 1 x\n", head + "A 1 2"} {
		if _, err := Read(strings.NewReader(text)); err == nil {
			t.Errorf("Read(%q) gave no error", text)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("loadgen 1 1 1 1\nA 0 1 2 3\nU 3 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "U ") { // a count of attempts may have any size
			return
		}
		j, err := Read(strings.NewReader(text))
		if err == nil && slices.Contains(j.Repeated, 0) {
			t.Errorf("Read(%q) acknowledged the id 0", text)
		}
	})
}
