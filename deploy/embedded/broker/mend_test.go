package broker

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

func entry(body string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum([]byte(body), castagnoli))
	return append(b, body...)
}

func TestWholeEntries(t *testing.T) {
	one, two := entry("\x01\x00one"), entry("\x01\x00two")
	for name, tt := range map[string]struct{ raw, want []byte }{
		"empty":        {nil, nil},
		"whole":        {join(one, two), join(one, two)},
		"torn tail":    {join(one, two[:7]), one},
		"torn between": {join(one[:9], two), two},
		"flipped bit":  {join(append(bytes.Clone(one[:len(one)-1]), 'X'), two), two},
		"zeros":        {join(one, make([]byte, 100), two), join(one, two)},
		"huge length":  {join([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0}, two), two},
	} {
		t.Run(name, func(t *testing.T) {
			if got := wholeEntries(tt.raw); !bytes.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func FuzzWholeEntries(f *testing.F) {
	f.Add(join(entry("\x01\x00one"), []byte("junk"), entry("\x01\x00two")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		whole := wholeEntries(raw)
		if again := wholeEntries(whole); !bytes.Equal(again, whole) {
			t.Errorf("not stable: %q, then %q", whole, again)
		}
	})
}

func FuzzNextBatch(f *testing.F) {
	batch := make([]byte, 61)
	binary.BigEndian.PutUint32(batch[8:], 61-12)
	binary.BigEndian.PutUint32(batch[17:], crc32.Checksum(batch[21:], castagnoli))
	f.Add(batch)
	f.Add(batch[:40])
	f.Add(join(batch, []byte{0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		in := bytes.NewReader(raw)
		for read := 0; ; {
			got, err := nextBatch(in, nil)
			if err != nil {
				break
			}
			if !bytes.Equal(got, raw[read:read+len(got)]) {
				t.Fatalf("batch at %d: got %x, want what was written", read, got)
			}
			read += len(got)
		}
	})
}
