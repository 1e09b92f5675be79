package workload

import (
	"bytes"
	"encoding/json"
	"testing"
)

const end = 1_795_219_200_000

func TestEntriesAreWhatPerformanceIsMeasuredWith(t *testing.T) {
	const n = 50_000
	s := New(42, n, end)
	lines := s.AppendLines(nil, 0, n, nil)
	if got := float64(len(lines)) / n; got < 190 || got > 206 {
		t.Errorf("mean size = %.1f B, want about 198", got)
	}
	devices, details, last := map[string]int{}, 0, int64(0)
	for line := range bytes.Lines(lines) {
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("line %s: %v", line, err)
		}
		devices[e.Serial]++
		if len(e.Details) > 0 {
			details++
		}
		if e.Timestamp < last-Jitter || e.Timestamp < end-Span || e.Timestamp > end+Jitter {
			t.Fatalf("timestamp %d after %d", e.Timestamp, last)
		}
		last = e.Timestamp
	}
	if details < n*28/100 || details > n*32/100 {
		t.Errorf("details on %d of %d entries, want 30 %%", details, n)
	}
	if busiest := devices[DeviceName(0)]; len(devices) < 5000 || busiest < n/100 {
		t.Errorf("%d devices, the busiest has %d entries of %d: not Zipf's law", len(devices), busiest, n)
	}
}

func TestIndexOfFindsTheEntry(t *testing.T) {
	s := New(1, 1000, end)
	for _, i := range []int{0, 1, 999, Templates, Templates + 1, 12_345_678, Numbers - 1} {
		e, err := s.Entry(i)
		if err != nil {
			t.Fatal(err)
		}
		if got := IndexOf(e.Detail); got != i {
			t.Errorf("IndexOf(%q) = %d, want %d", e.Detail, got, i)
		}
	}
	for _, detail := range []string{"", "no number", "#12", "#1234567x", "#"} {
		if got := IndexOf(detail); got != -1 {
			t.Errorf("IndexOf(%q) = %d, want -1", detail, got)
		}
	}
}

func TestSeedDecidesEverything(t *testing.T) {
	a, b, c := New(7, 100, end), New(7, 100, end), New(8, 100, end)
	la, lb, lc := a.AppendLines(nil, 0, 100, nil), b.AppendLines(nil, 0, 100, nil), c.AppendLines(nil, 0, 100, nil)
	if !bytes.Equal(la, lb) {
		t.Error("the same seed gave other entries")
	}
	if bytes.Equal(la, lc) {
		t.Error("another seed gave the same entries")
	}
}

// TestRichEntriesCountInEveryWay checks that the entries are varied enough for the oracle to notice a wrong rule of the rollups.
func TestRichEntriesCountInEveryWay(t *testing.T) {
	const n = 20_000
	plain := New(42, n, end)
	rich := plain.Rich()
	got := map[string]int{}
	for i := range n {
		e, err := rich.Entry(i)
		if err != nil {
			t.Fatal(err)
		}
		types, all, device := map[string]int{}, map[Target]int{}, false
		for _, x := range e.Targets {
			types[x.Type]++
			all[x]++
			device = device || x.Type == "DEVICE" && e.Serial != ""
		}
		for what, is := range map[string]bool{
			"no target": len(e.Targets) == 0, "several types": len(types) > 1, "several of one type": len(all) > len(types), "a repeated target": len(e.Targets) > len(all),
			"a device and a target DEVICE": device, "no device": e.Serial == "", "an account id": e.UserID != "", "a request id": e.RequestID != "",
			"an account id without a name": e.UserID != "" && e.Username == "", "a name without an account id": e.UserID == "" && e.Username != "", "no account": e.UserID == "" && e.Username == "",
		} {
			if is {
				got[what]++
			}
		}
		if p, err := plain.Entry(i); err != nil || p.Timestamp != e.Timestamp || p.Detail != e.Detail || len(p.Targets) > 0 {
			t.Fatalf("entry %d: the plain one is %+v, %v, the rich one %+v", i, p, err, e)
		}
		if !json.Valid(rich.Append(nil, i, "key")) || IndexOf(e.Detail) != i {
			t.Fatalf("entry %d: %s", i, rich.Append(nil, i, "key"))
		}
	}
	for _, what := range []string{
		"no target", "several types", "several of one type", "a repeated target", "a device and a target DEVICE", "no device", "an account id", "a request id",
		"an account id without a name", "a name without an account id", "no account",
	} {
		if got[what] < n/30 {
			t.Errorf("%s: %d of %d entries, want a thirtieth or more", what, got[what], n)
		}
	}
}

func BenchmarkAppendLines(b *testing.B) {
	s := New(42, 1_000_000, end)
	var body []byte
	for i := 0; b.Loop(); i++ {
		body = s.AppendLines(body[:0], i*1000, 1000, nil)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/entry")
}
