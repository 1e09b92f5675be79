package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

func TestDecode(t *testing.T) {
	text := strings.Repeat("rows and more rows ", 10_000)
	writers := map[string]func(io.Writer) io.WriteCloser{
		"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
		"br":      func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
		"lz4":     func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser {
			zw, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return zw
		},
		"": func(w io.Writer) io.WriteCloser { return plain{w} },
	}
	for encoding, writer := range writers {
		t.Run(encoding, func(t *testing.T) {
			var b bytes.Buffer
			w := writer(&b)
			if _, err := io.WriteString(w, text); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			body := bytes.Clone(b.Bytes())
			r, err := Decode(&b, encoding)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || string(got) != text {
				t.Errorf("got %d bytes, %v, want %d", len(got), err, len(text))
			}
			if encoding == "" {
				return
			}
			if r, err = Decode(bytes.NewReader(body[:len(body)/2]), encoding); err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			if err == nil {
				t.Error("half a body was read without an error")
			}
		})
	}
	if _, err := Decode(strings.NewReader(text), "snappy"); !errors.Is(err, ErrEncoding) {
		t.Errorf("got %v, want %v", err, ErrEncoding)
	}
}

func TestBlocks(t *testing.T) {
	text := strings.Repeat("0123456789", blockSize/4)
	for _, method := range []string{"LZ4", "ZSTD"} {
		var b bytes.Buffer
		w, err := Encoding{Blocks: method}.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.WriteString(w, text); n != len(text) || err != nil {
			t.Fatalf("%s: wrote %d, %v, want %d", method, n, err, len(text))
		}
		body := bytes.Clone(b.Bytes())
		if got, err := io.ReadAll(DecodeBlocks(&b)); err != nil || string(got) != text {
			t.Errorf("%s: got %d bytes, %v, want %d", method, len(got), err, len(text))
		}
		if _, err := io.ReadAll(DecodeBlocks(bytes.NewReader(body[:len(body)-3]))); err == nil {
			t.Errorf("%s: a cut body was read without an error", method)
		}
	}
}

func TestFrame(t *testing.T) {
	var blocks chproto.Buffer
	for _, texts := range [][]string{{"a", "b", ""}, {"c"}} {
		var column chproto.ColStr
		column.AppendArr(texts)
		block := chproto.Block{Columns: 1, Rows: len(texts)}
		if err := block.EncodeRawBlock(&blocks, 0, chproto.Input{{Name: "text", Data: column}}); err != nil {
			t.Fatal(err)
		}
	}
	// 51903 is the first revision with block information, 54405 what clickhouse-connect says.
	for _, revision := range []int{51903, 54405, newest - 1, newest, newest + 100} {
		framed, err := Frame(blocks.Buf, revision)
		if err != nil {
			t.Fatal(err)
		}
		r := chproto.NewReader(bytes.NewReader(framed))
		var got []string
		for range 2 {
			var column chproto.ColStr
			var block chproto.Block
			if err := block.DecodeBlock(r, min(revision, newest), chproto.Results{{Name: "text", Data: &column}}); err != nil {
				t.Fatalf("revision %d: %v", revision, err)
			}
			for i := range column.Rows() {
				got = append(got, column.Row(i))
			}
		}
		if want := "a b  c"; strings.Join(got, " ") != want {
			t.Errorf("revision %d: got %q, want %q", revision, got, want)
		}
	}
	if rest, err := Frame(nil, newest); err != nil || len(rest) != 0 {
		t.Errorf("nothing became %x, %v", rest, err)
	}
	if _, err := Frame(blocks.Buf[:len(blocks.Buf)-1], newest); err == nil {
		t.Error("a cut block was framed without an error")
	}
}

// FuzzDecode checks that no body breaks a decoder, and that what a client compressed comes out again.
func FuzzDecode(f *testing.F) {
	for i, head := range []string{"plain", "\x1f\x8b\x08", "\x78\x9c", "\x28\xb5\x2f\xfd", "\x0b\x02\x80", "\x04\x22\x4d\x18", "x"} {
		f.Add([]byte(head), uint8(i))
	}
	encodings := []string{"", "gzip", "deflate", "zstd", "br", "lz4", "snappy"}
	f.Fuzz(func(t *testing.T, body []byte, kind uint8) {
		const most = 1 << 20
		encoding := encodings[int(kind)%len(encodings)]
		if r, err := Decode(bytes.NewReader(body), encoding); err == nil {
			got, err := io.ReadAll(io.LimitReader(r, most))
			if encoding == "" && (err != nil || !bytes.Equal(got, body)) {
				t.Fatalf("a plain body of %d bytes became %d, %v", len(body), len(got), err)
			}
		} else if errors.Is(err, ErrEncoding) != (encoding == "snappy") {
			t.Fatalf("%q: %v", encoding, err)
		}
		for _, e := range []Encoding{{Transfer: "gzip"}, {Transfer: "zstd"}} {
			var b bytes.Buffer
			w, err := e.NewWriter(&b)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(body)
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			r, err := Decode(&b, e.Transfer)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%s: %d bytes became %d, %v", e.Transfer, len(body), len(got), err)
			}
		}
	})
}

// FuzzDecodeBlocks is FuzzDecode for compressed blocks of the native protocol, which carry a checksum: what is read without an
// error must be what was written.
func FuzzDecodeBlocks(f *testing.F) {
	f.Add([]byte("rows"), uint16(3), byte(1))
	f.Add(bytes.Repeat([]byte{7}, 300), uint16(20), byte(0))
	f.Fuzz(func(t *testing.T, text []byte, at uint16, flip byte) {
		if _, err := io.Copy(io.Discard, io.LimitReader(DecodeBlocks(bytes.NewReader(text)), 1<<20)); err == nil && len(text) > 0 {
			t.Fatalf("%x is not a block, and was read as one", text)
		}
		for _, method := range []string{"LZ4", "ZSTD"} {
			var b bytes.Buffer
			w, err := Encoding{Blocks: method}.NewWriter(&b)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(text)
			body := b.Bytes()
			if len(body) > 0 {
				body[int(at)%len(body)] ^= flip
			}
			got, err := io.ReadAll(DecodeBlocks(bytes.NewReader(body)))
			if flip == 0 && err != nil || err == nil && !bytes.Equal(got, text) {
				t.Fatalf("%s, byte %d changed by %x: %x became %x, %v", method, at, flip, text, got, err)
			}
		}
	})
}
