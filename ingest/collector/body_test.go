package collector

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

func testBodies(maxBytes, pending int64) *bodies {
	return newBodies(maxBytes, pending, time.Now)
}

func (b *bodies) readText(text []byte, encoding string) (string, error) {
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(text))
	r.Header.Set("Content-Encoding", encoding)
	d, err := b.read(r)
	if err != nil {
		return "", err
	}
	defer b.release(d)
	return string(d.text), nil
}

func compressed(t testing.TB, text []byte, encoding string) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&buf)
	switch encoding {
	case "deflate":
		w = zlib.NewWriter(&buf)
	case "zstd":
		z, err := zstd.NewWriter(&buf)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	}
	_, _ = w.Write(text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestBodySizes(t *testing.T) {
	const limit = 100_000
	b := testBodies(limit, 1<<20)
	for _, size := range []int{0, 1, 511, 512, 513, 4096, limit - 1, limit, limit + 1, 3 * limit} {
		text := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
		for _, encoding := range []string{"", "gzip", "deflate", "zstd"} {
			sent := text
			if encoding != "" {
				sent = compressed(t, text, encoding)
			}
			got, err := b.readText(sent, encoding)
			if size > limit {
				if !errors.Is(err, schema.ErrTooLarge) {
					t.Errorf("%d bytes, %q: %v", size, encoding, err)
				}
				continue
			}
			if err != nil || got != string(text) {
				t.Errorf("%d bytes, %q: %d bytes, %v", size, encoding, len(got), err)
			}
		}
	}
	if used := b.pending.used.Load(); used != 0 {
		t.Errorf("%d bytes are still held", used)
	}
}

func TestBodyBudget(t *testing.T) {
	b := testBodies(100_000, 150_000)
	r := func() *http.Request {
		return httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 90_000)))
	}
	first, err := b.read(r())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.read(r()); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("beyond the budget: %v", err)
	}
	b.release(first)
	second, err := b.read(r())
	if err != nil {
		t.Fatalf("after a release: %v", err)
	}
	b.release(second)
	if used := b.pending.used.Load(); used != 0 {
		t.Errorf("%d bytes are still held", used)
	}
}

// TestContentLengthReservesNoMemory opens requests that announce a megabyte each. Before the first byte they take no memory, after one byte
// each less than half the budget of two bodies, and a complete body can still be read.
func TestContentLengthReservesNoMemory(t *testing.T) {
	const size, silent = 1 << 20, 50
	b := testBodies(size, 2*size)
	reading := make(chan struct{}, silent)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(firstRead{reading}, r.Body), r.Body}
		if d, err := b.read(r); err == nil {
			b.release(d)
		}
	}))
	defer server.Close()
	var conns []net.Conn
	for range silent {
		conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	for range silent {
		<-reading
	}
	if used := b.pending.used.Load(); used != 0 {
		t.Errorf("%d callers that send nothing hold %d bytes, want none", silent, used)
	}
	for _, conn := range conns {
		if _, err := io.WriteString(conn, "{"); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(10 * time.Second); b.pending.used.Load() != silent*firstBuffer; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d callers that send a byte hold %d bytes, want %d", silent, b.pending.used.Load(), silent*firstBuffer)
		}
	}
	got, err := b.read(httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", size))))
	if err != nil || len(got.text) != size {
		t.Fatalf("a body that is sent: %v", err)
	}
	b.release(got)
}

// firstRead signals that a body is being read.
type firstRead struct{ reading chan<- struct{} }

func (f firstRead) Read([]byte) (int, error) {
	f.reading <- struct{}{}
	return 0, io.EOF
}

// TestBufferGrowsWithArrivedBytes holds that a buffer is never larger than maxGrowth times the bytes that have arrived, and a large one
// never larger than largeGrowth times.
func TestBufferGrowsWithArrivedBytes(t *testing.T) {
	for _, length := range []int64{0, 1, firstBuffer - 1, firstBuffer, 200_000, 16 << 20} {
		had, steps := nextSize(0, length), 0
		for ; had <= length; steps++ {
			after := nextSize(had, length)
			if after <= had || after > maxGrowth*had+1 || after > keptBuffer && after > largeGrowth*had+1 {
				t.Fatalf("a body of %d bytes gets a buffer of %d bytes, then of %d", length, had, after)
			}
			had = after
		}
		if steps > 3 && length <= keptBuffer || steps > 5 {
			t.Errorf("a body of %d bytes is moved %d times", length, steps)
		}
	}
}

// A body whose deadline passes, which the server sets, is one that stalled.
func TestStalledBody(t *testing.T) {
	b := testBodies(1<<20, 1<<22)
	got := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Error(err)
		}
		_, err := b.read(r)
		got <- err
	}))
	defer server.Close()
	body, writer := io.Pipe()
	defer func() { _ = writer.Close() }()
	go func() { _, _ = writer.Write([]byte("{")) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if res, err := server.Client().Do(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	select {
	case err := <-got:
		if !errors.Is(err, schema.ErrStalled) {
			t.Errorf("a body that never ends: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the collector waits for a body that never ends")
	}
}

// FuzzBody checks that no bytes in any encoding break the reader, leak its budget or exceed its limit.
func FuzzBody(f *testing.F) {
	text := []byte(`{"action_type":"a"}`)
	f.Add(text, uint8(0))
	f.Add(compressed(f, text, "gzip"), uint8(1))
	f.Add(compressed(f, text, "zstd"), uint8(2))
	f.Add(compressed(f, make([]byte, 1<<20), "zstd"), uint8(2))
	f.Add(compressed(f, text, "gzip")[:15], uint8(1))
	f.Add(compressed(f, text, "deflate"), uint8(4))
	f.Add(append(compressed(f, text, "deflate"), "more"...), uint8(4))
	f.Add(append(compressed(f, text, "gzip"), compressed(f, nil, "gzip")...), uint8(1))
	const limit = 4096
	b := testBodies(limit, 1<<20)
	f.Fuzz(func(t *testing.T, sent []byte, kind uint8) {
		encoding := []string{"", "gzip", "zstd", "br", "deflate"}[kind%5]
		got, err := b.readText(sent, encoding)
		switch {
		case err != nil && api.Status(err) == http.StatusInternalServerError:
			t.Fatalf("%q: %v", encoding, err)
		case len(got) > limit:
			t.Fatalf("%q: %d bytes", encoding, len(got))
		case encoding == "" && len(sent) <= limit && got != string(sent):
			t.Fatalf("%d bytes became %d, %v", len(sent), len(got), err)
		}
		if used := b.pending.used.Load(); used != 0 {
			t.Fatalf("%d bytes are still held", used)
		}
	})
}
