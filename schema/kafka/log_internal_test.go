package kafka

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// Absolute offsets of a log rise with Kafka's offsets. Each belongs to one of Kafka's offsets, and those of earlier logs belong to none.
func TestAbsoluteOffsets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, highest := Log{Epochs: []Epoch{{}}}, int64(-1)
		if rapid.Bool().Draw(t, "adopted") {
			base, err := NextBase(rapid.Int64Range(-1, 1<<36).Draw(t, "stored before"))
			if err != nil {
				t.Fatal(err)
			}
			l.Epochs[0].Base, highest = base, base-1
		}
		from := int64(0)
		for range rapid.IntRange(0, 5).Draw(t, "cuts") {
			end := from + rapid.Int64Range(0, 1<<33).Draw(t, "written")
			highest = max(highest, l.Absolute(1, end))
			from = rapid.Int64Range(from, end).Draw(t, "kept")
			next, err := l.Cut(map[int]int64{1: from}, highest, 0)
			if err != nil {
				return
			}
			l = next
		}
		last := int64(-1)
		for _, e := range l.Epochs {
			for _, at := range []int64{max(0, e.From[1]-1), e.From[1], e.From[1] + 1} {
				if at < last {
					continue
				}
				absolute := l.Absolute(1, at)
				if got, ok := l.Offset(1, absolute); !ok || got != at {
					t.Fatalf("Offset(Absolute(%d) = %d) = %d, %v of %+v", at, absolute, got, ok, l)
				}
				if at > last && last >= 0 && absolute <= l.Absolute(1, last) {
					t.Fatalf("absolute offset of %d is not above that of %d in %+v", at, last, l)
				}
				last = at
			}
		}
		if base := l.Epochs[0].Base; base > 0 {
			if _, ok := l.Offset(1, base-1); ok {
				t.Fatalf("offset %d of an earlier log is taken for one of %+v", base-1, l)
			}
		}
		if got := l.Absolute(2, 5); got != l.Epochs[0].Base+5 {
			t.Fatalf("a partition that lost nothing: got %d of %+v", got, l)
		}
	})
}

func TestOffsetsThatWereLostBelongToNoLog(t *testing.T) {
	l, err := (&Log{Epochs: []Epoch{{}}}).Cut(map[int]int64{0: 120}, 150, 7)
	if err != nil {
		t.Fatal(err)
	}
	for absolute, want := range map[int64]bool{119: true, 120: false, 150: false, EpochStep + 119: false, EpochStep + 120: true, EpochStep + 900: true} {
		if _, ok := l.Offset(0, absolute); ok != want {
			t.Errorf("Offset(%d): got %v, want %v", absolute, ok, want)
		}
	}
	if got, ok := l.Offset(0, -1); got != -1 || !ok {
		t.Errorf("Offset(-1) = %d, %v, want -1", got, ok)
	}
}

func TestNextOffset(t *testing.T) {
	l := Log{Epochs: []Epoch{{Base: EpochStep}, {Base: 3 * EpochStep, From: map[int]int64{0: 120}}}}
	for absolute, want := range map[int64]int64{
		-1: EpochStep, 5: EpochStep, EpochStep: EpochStep + 1, EpochStep + 118: EpochStep + 119,
		EpochStep + 119: 3*EpochStep + 120, EpochStep + 900: 3*EpochStep + 120, 3*EpochStep + 120: 3*EpochStep + 121,
	} {
		if got := l.Next(0, absolute); got != want {
			t.Errorf("Next(%d) = %d, want %d", absolute, got, want)
		}
	}
	if got := l.Next(1, EpochStep+119); got != EpochStep+120 {
		t.Errorf("a partition without the second epoch: got %d, want %d", got, EpochStep+120)
	}
}

func TestBasesEnd(t *testing.T) {
	base, n := int64(0), 0
	for {
		next, err := NextBase(base)
		if err != nil {
			if !errors.Is(err, ErrTooManyEpochs) {
				t.Fatal(err)
			}
			break
		}
		if next <= base || next%EpochStep != 0 {
			t.Fatalf("NextBase(%d) = %d", base, next)
		}
		base = next
		n++
	}
	if n != 254 {
		t.Errorf("got %d logs after the first, want 254", n)
	}
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	for name, record := range map[string][2]string{
		"no JSON":          {keyLog, `{`},
		"a newer version":  {keyLog, `{"version":2,"log":"3e8f6c7e-7a54-4bb7-8d43-0d3c4a2e6f10","epochs":[{"base":0}],"after":-1}`},
		"no id":            {keyLog, `{"version":1,"epochs":[{"base":0}],"after":-1}`},
		"no offsets":       {keyLog, `{"version":1,"log":"3e8f6c7e-7a54-4bb7-8d43-0d3c4a2e6f10","after":-1}`},
		"a newer verdict":  {keyVerdict, `{"version":2}`},
		"a verdict's text": {keyVerdict, `yes`},
	} {
		t.Run(name, func(t *testing.T) {
			var s LogState
			if err := s.take(record[0], []byte(record[1]), 0); err == nil {
				t.Errorf("got %+v, want an error", s)
			}
		})
	}
	var s LogState
	if err := s.take("something later", nil, 0); err != nil {
		t.Errorf("a record of another kind: %v, want it to be passed over", err)
	}
}

// No reply makes the decoder panic, or run for long.
func FuzzTopicIDs(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, reply []byte) {
		r := &idResponse{byName: map[string]string{}}
		d := &decoder{b: reply}
		if err := r.read(d); err == nil && d.err != nil {
			t.Error("an error was passed over")
		}
	})
}

// What can be decoded is encoded to the same.
func FuzzDecodeLog(f *testing.F) {
	f.Add([]byte(`{"version":1,"log":"3e8f6c7e-7a54-4bb7-8d43-0d3c4a2e6f10","epochs":[{"base":0},{"base":4294967296,"from":{"0":7},"fresh":9}],"after":-1}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		l, err := DecodeLog(record)
		if err != nil {
			return
		}
		text, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeLog(text)
		if err != nil || again.ID != l.ID || len(again.Epochs) != len(l.Epochs) {
			t.Errorf("%s: got %+v, %v, want %+v", record, again, err, l)
		}
	})
}
