package collector

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"github.com/activitylog/activitylog/schema"
)

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// damaged returns b with one bit changed in the byte at i, counted from the end if i is negative.
func damaged(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[(i+len(b))%len(b)] ^= 1
	return b
}

// rawDeflate is what .NET calls deflate: without the zlib format around it, and so without a checksum.
func rawDeflate(t *testing.T, text []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, 5)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestEncodings reads compressed bodies, and checks the errors for broken ones.
func TestEncodings(t *testing.T) {
	text := []byte(strings.Repeat(`{"action_type":"gz-first","serial":"d-17"}`+"\n", 50))
	gz, zl, zs := compressed(t, text, "gzip"), compressed(t, text, "deflate"), compressed(t, text, "zstd")
	twice := string(text) + string(text)
	skippable := []byte("\x50\x2a\x4d\x18\x04\x00\x00\x00note")
	for _, c := range []struct {
		name, encoding string
		sent           []byte
		want           string // the text, or "body: " and what is wrong
	}{
		{"gzip", "gzip", gz, string(text)},
		{"any case", " GZIP ", gz, string(text)},
		{"old name", "x-gzip", gz, string(text)},
		{"deflate", "deflate", zl, string(text)},
		{"zlib", "zlib", zl, string(text)},
		{"zstd", "zstd", zs, string(text)},
		{"gzip members", "gzip", join(gz, gz), twice},
		{"gzip with an empty member", "gzip", join(gz, compressed(t, nil, "gzip"), gz), twice},
		{"zstd frames", "zstd", join(zs, zs), twice},
		{"zstd with a skippable frame", "zstd", join(skippable, zs), string(text)},
		{"no gzip", "gzip", nil, ""},
		{"no deflate", "deflate", nil, ""},
		{"no zstd", "zstd", nil, ""},
		{"gzip of nothing", "gzip", compressed(t, nil, "gzip"), ""},

		{"text as gzip", "gzip", text, "body: is not gzip"},
		{"short text as gzip", "gzip", []byte("{}"), "body: is not gzip"},
		{"one byte as gzip", "gzip", []byte("{"), "body: is not gzip"},
		{"text as deflate", "deflate", text, "body: is not zlib"},
		{"text as zstd", "zstd", text, "body: is not zstd"},
		{"gzip as deflate", "deflate", gz, "body: is not zlib"},
		{"gzip as zstd", "zstd", gz, "body: is not zstd"},
		{"zstd as gzip", "gzip", zs, "body: is not gzip"},
		{"raw deflate", "deflate", rawDeflate(t, text), "body: is not zlib"},

		{"gzip cut", "gzip", gz[:len(gz)/2], "body: ends early"},
		{"gzip header cut", "gzip", gz[:5], "body: ends early"},
		{"gzip without its checksum", "gzip", gz[:len(gz)-8], "body: ends early"},
		{"gzip within its checksum", "gzip", gz[:len(gz)-1], "body: ends early"},
		{"second member cut", "gzip", join(gz, gz[:len(gz)/2]), "body: ends early"},
		{"deflate cut", "deflate", zl[:len(zl)/2], "body: ends early"},
		{"deflate within its checksum", "deflate", zl[:len(zl)-2], "body: ends early"},
		{"zstd cut", "zstd", zs[:len(zs)/2], "body: ends early"},
		{"zstd within its checksum", "zstd", zs[:len(zs)-1], "body: ends early"},

		{"gzip checksum", "gzip", damaged(gz, -6), "body: has a wrong checksum"},
		{"gzip length", "gzip", damaged(gz, -2), "body: has a wrong checksum"},
		{"deflate checksum", "deflate", damaged(zl, -1), "body: has a wrong checksum"},
		{"zstd checksum", "zstd", damaged(zs, -1), "body: has a wrong checksum"},

		{"more after gzip", "gzip", join(gz, []byte("garbage")), "body: has other bytes after the end"},
		{"a byte after gzip", "gzip", join(gz, []byte{0}), "body: has other bytes after the end"},
		{"a member whose beginning is damaged", "gzip", join(gz, damaged(gz, 1)), "body: has other bytes after the end"},
		{"a member of another method", "gzip", join(gz, damaged(gz, 2)), "body: has other bytes after the end"},
		{"more after deflate", "deflate", join(zl, []byte("garbage")), "body: has other bytes after the end"},
		{"deflate twice", "deflate", join(zl, zl), "body: has other bytes after the end"},
		{"more after zstd", "zstd", join(zs, []byte("garbage")), "body: has other bytes after the end"},

		{"another method", "gzip", damaged(gz, 2), "body: is not gzip"},
		{"damaged blocks", "deflate", join(zl[:2], []byte{0xff, 0xff, 0xff, 0xff}), "body: is not valid zlib"},
	} {
		for _, kind := range []string{"at once", "byte by byte"} {
			b := testBodies(1<<20, 1<<22)
			for range 2 { // the second time with what the first one left for reuse
				var from io.Reader = bytes.NewReader(c.sent)
				if kind != "at once" {
					from = iotest.OneByteReader(from)
				}
				r := httptest.NewRequest(http.MethodPost, "/", from)
				r.Header.Set("Content-Encoding", c.encoding)
				d, err := b.read(r)
				switch {
				case strings.HasPrefix(c.want, "body: "):
					if err == nil || !strings.HasPrefix(err.Error(), c.want) || !errors.Is(err, schema.ErrInvalid) {
						t.Errorf("%s, %s: got %v, want %s", c.name, kind, err, c.want)
					}
				case err != nil:
					t.Errorf("%s, %s: %v", c.name, kind, err)
				case string(d.text) != c.want:
					t.Errorf("%s, %s: got %d bytes, want %d", c.name, kind, len(d.text), len(c.want))
				}
				if err == nil {
					b.release(d)
				}
			}
			if used := b.pending.used.Load(); used != 0 {
				t.Errorf("%s: %d bytes are still held", c.name, used)
			}
		}
	}
}

// A broken connection and a body that is too large are not reported as faults of the compression.
func TestBrokenConnectionIsNotBrokenCompression(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<12)
	for _, encoding := range []string{"", "gzip", "deflate", "zstd"} {
		sent := text
		if encoding != "" {
			sent = compressed(t, text, encoding)
		}
		for name, c := range map[string]struct {
			fault, want error
		}{
			"left":    {io.ErrUnexpectedEOF, schema.ErrLeft},
			"reset":   {&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, schema.ErrLeft},
			"stalled": {os.ErrDeadlineExceeded, schema.ErrStalled},
			"framing": {errors.New("malformed chunked encoding"), schema.ErrInvalid},
		} {
			for _, after := range []int{0, 1, len(sent) / 2, len(sent)} {
				b := testBodies(1<<20, 1<<22)
				r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(bytes.NewReader(sent[:after]), iotest.ErrReader(c.fault)))
				r.Header.Set("Content-Encoding", encoding)
				if _, err := b.read(r); !errors.Is(err, c.want) || strings.Contains(err.Error(), "early") {
					t.Errorf("%q, %s after %d of %d bytes: got %v, want %v", encoding, name, after, len(sent), err, c.want)
				}
			}
		}
	}
}

// TestDamagedBitIsNoticed flips every bit of a compressed body, one at a time: the result is the text, or an error.
func TestDamagedBitIsNoticed(t *testing.T) {
	text := []byte(strings.Repeat(`{"action_type":"a","serial":"d-17"}`+"\n", 3))
	b := testBodies(1<<16, 1<<20)
	for _, encoding := range []string{"gzip", "deflate", "zstd"} {
		sent := compressed(t, text, encoding)
		for i := range 8 * len(sent) {
			other := bytes.Clone(sent)
			other[i/8] ^= 1 << (i % 8)
			got, err := b.readText(other, encoding)
			if err == nil && got != string(text) {
				t.Errorf("%s: bit %d turned: got %q", encoding, i, got)
			}
			if err != nil && !errors.Is(err, schema.ErrInvalid) && !errors.Is(err, schema.ErrTooLarge) {
				t.Errorf("%s: bit %d turned: %v", encoding, i, err)
			}
		}
	}
}

// A body that decompresses to more than the limit is refused as too large in each format, however it is sent.
func TestBombInEachFormat(t *testing.T) {
	const limit = 1 << 16
	zeros := make([]byte, 1<<24)
	for _, encoding := range []string{"gzip", "deflate", "zstd"} {
		b := testBodies(limit, 1<<20)
		if _, err := b.readText(compressed(t, zeros, encoding), encoding); !errors.Is(err, schema.ErrTooLarge) {
			t.Errorf("%s: got %v, want %v", encoding, err, schema.ErrTooLarge)
		}
	}
	var many bytes.Buffer
	for range 100 {
		many.Write(compressed(t, zeros[:limit/50], "gzip"))
	}
	if _, err := testBodies(limit, 1<<20).readText(many.Bytes(), "gzip"); !errors.Is(err, schema.ErrTooLarge) {
		t.Errorf("gzip members: got %v, want %v", err, schema.ErrTooLarge)
	}
}

// TestSlowCompressedBodyHoldsNoWindow sends only the beginning of zstd frames whose window has 8 MiB.
func TestSlowCompressedBodyHoldsNoWindow(t *testing.T) {
	const slow = 40
	var buf bytes.Buffer
	z, err := zstd.NewWriter(&buf, zstd.WithWindowSize(zstdWindow))
	if err != nil {
		t.Fatal(err)
	}
	noise := rand.NewChaCha8([32]byte{})
	if _, err := io.CopyN(z, noise, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	b := testBodies(16<<20, 96<<20)
	held := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := held()
	var readers sync.WaitGroup
	var bodies []*io.PipeWriter
	for range slow {
		body, writer := io.Pipe()
		readers.Go(func() {
			r := httptest.NewRequest(http.MethodPost, "/", body)
			r.Header.Set("Content-Encoding", "zstd")
			if _, err := b.read(r); !errors.Is(err, schema.ErrLeft) {
				t.Errorf("got %v, want %v", err, schema.ErrLeft)
			}
		})
		if _, err := writer.Write(buf.Bytes()[:200<<10]); err != nil { // more than a block
			t.Fatal(err)
		}
		bodies = append(bodies, writer)
	}
	if grown := held() - before; grown > slow<<20 {
		t.Errorf("%d slow bodies hold %d MiB", slow, grown>>20)
	}
	for _, writer := range bodies {
		_ = writer.CloseWithError(io.ErrUnexpectedEOF)
	}
	readers.Wait()
	if used := b.pending.used.Load(); used != 0 {
		t.Errorf("%d bytes are still held", used)
	}
}

// The largest body fits into the least budget, compressed and decompressed.
func TestLeastBudgetTakesTheLargestBody(t *testing.T) {
	const limit = 100_000
	text := make([]byte, limit)
	_, _ = rand.NewChaCha8([32]byte{}).Read(text)
	clear(text[:limit/4]) // so that it has at most the limit also when it is compressed
	for _, encoding := range []string{"gzip", "deflate", "zstd"} {
		sent := compressed(t, text, encoding)
		if got, err := testBodies(limit, 2*(limit+1)).readText(sent, encoding); err != nil || got != string(text) {
			t.Errorf("%s: got %d bytes of %d, %v", encoding, len(got), len(sent), err)
		}
	}
}
