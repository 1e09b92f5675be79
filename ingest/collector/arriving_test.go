package collector

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// slowBody is a body that stops after some bytes, until it is cut.
type slowBody struct {
	io.Reader
	cut  chan struct{}
	once sync.Once
}

func slowly(bytes int) *slowBody {
	return &slowBody{Reader: strings.NewReader(strings.Repeat("x", bytes)), cut: make(chan struct{})}
}

func (s *slowBody) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	<-s.cut
	return 0, &schema.FieldError{Field: "body", Code: "STALLED", Issue: "cut", Kind: schema.ErrStalled}
}

func (s *slowBody) Cut()         { s.once.Do(func() { close(s.cut) }) }
func (s *slowBody) Close() error { return nil }

func (b *bodies) readBody(body io.ReadCloser, length int64, encoding string) error {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.Body, r.ContentLength = body, length
	r.Header.Set("Content-Encoding", encoding)
	d, err := b.read(r)
	if err == nil {
		b.release(d)
	}
	return err
}

func (b *bodies) cutAll() {
	b.arriving.mu.Lock()
	defer b.arriving.mu.Unlock()
	for d := range b.arriving.all {
		d.source.Cut()
	}
}

func (b *bodies) readQuick(size int) error {
	return b.readBody(io.NopCloser(strings.NewReader(strings.Repeat("y", size))), int64(size), "")
}

// TestSlowBodiesGiveWay has six slow bodies hold all memory. They may, until others need it.
func TestSlowBodiesGiveWay(t *testing.T) {
	const size = 2 << 20
	for _, encoding := range []string{"", "gzip"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBodies(size, 6*(size+1), time.Now)
			ended := make(chan error, 6)
			for range 6 {
				go func() { ended <- b.readBody(slowly(size-1), size, encoding) }()
			}
			synctest.Wait()
			if err := b.readQuick(1); !errors.Is(err, schema.ErrUnavailable) {
				t.Errorf("before anybody was slow: %v, want unavailable", err)
			}
			time.Sleep(59 * time.Second)
			if err := b.readQuick(1); !errors.Is(err, schema.ErrUnavailable) || len(ended) > 0 {
				t.Errorf("a second too early: %v, and %d ended", err, len(ended))
			}
			time.Sleep(2 * time.Second)
			began := time.Now()
			for _, size := range []int{1, 1 << 20, size, 100_000} {
				if err := b.readQuick(size); err != nil {
					t.Errorf("a body of %d bytes beside slow ones: %v", size, err)
				}
			}
			if took := time.Since(began); took > 0 {
				t.Errorf("it took %v", took)
			}
			synctest.Wait()
			for len(ended) > 0 {
				if err := <-ended; !errors.Is(err, schema.ErrStalled) {
					t.Errorf("a body that gave way: %v", err)
				}
			}
			if used := b.pending.used.Load(); used > 4*(size+1) || used < 3*size {
				t.Errorf("%d bytes are held: more gave way than had to, or none", used)
			}
			b.cutAll()
			synctest.Wait()
			if used, left := b.pending.used.Load(), len(b.arriving.all); used != 0 || left != 0 {
				t.Errorf("%d bytes are held, by %d bodies", used, left)
			}
		})
	}
}

// TestSlowBodiesAreTaken holds that nobody has to give way while there is memory, and that small bodies never do.
func TestSlowBodiesAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		b := newBodies(size, 100*size, time.Now)
		ended := make(chan error, 100)
		slow := make([]*slowBody, 70)
		for i := range slow {
			slow[i] = slowly(size - 1)
			go func() { ended <- b.readBody(slow[i], size, "") }()
		}
		time.Sleep(50 * time.Minute)
		for range 100 {
			if err := b.readQuick(size); err != nil {
				t.Fatal(err)
			}
		}
		if len(ended) != 0 {
			t.Errorf("%d had to give way, although a quarter of the memory was free", len(ended))
		}
		small := slowly(firstBuffer - 1)
		go func() { ended <- b.readBody(small, firstBuffer, "") }()
		for range 8 {
			go func() { ended <- b.readBody(slowly(size-1), size, "") }()
		}
		synctest.Wait()
		if n := len(ended); n != 4 { // of 78 and a small one, 75 leave a quarter free, less a byte for each
			t.Errorf("%d gave way, want those that were needed to have a quarter of the memory free", n)
		}
		b.cutAll()
		small.Cut()
		synctest.Wait()
		if used := b.pending.used.Load(); used != 0 {
			t.Errorf("%d bytes are held", used)
		}
	})
}

// TestTheLargerTheShorter holds how long bodies may hold memory that is short.
func TestTheLargerTheShorter(t *testing.T) {
	const limit = 96 << 20
	for held, want := range map[int64]time.Duration{limit: 10 * time.Second, limit / 2: 20 * time.Second, limit / 6: time.Minute, 1 << 20: 2 * time.Minute, firstBuffer + 1: 2 * time.Minute} {
		if got := mayHold(held, limit); got != want {
			t.Errorf("%d bytes: %v, want %v", held, got, want)
		}
	}
}
