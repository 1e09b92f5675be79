package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	maxConns          = 1024
	maxRequestBytes   = 16 << 20
	maxHandshakeBytes = 64 << 10 // of a request before the client has sent a password
)

var errHostile = errors.New("request refused by the broker")

// guard is the broker's listener. It checks size and kind of each request before kfake reads it: kfake allocates as many bytes as a
// client announces (up to 4 GiB, unauthenticated) and dereferences nil for a kind that it does not know.
type guard struct {
	net.Listener
	trusting bool // no password is needed

	open  sync.WaitGroup
	mu    sync.Mutex
	conns map[*guarded]struct{} // guarded by mu
}

func newGuard(ln net.Listener, trusting bool) *guard {
	return &guard{Listener: ln, trusting: trusting, conns: make(map[*guarded]struct{})}
}

func (g *guard) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := g.admit(conn); c != nil {
			return c, nil
		}
		_ = conn.Close() // too many connections; the client tries again
	}
}

func (g *guard) admit(conn net.Conn) *guarded {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.conns) >= maxConns {
		return nil
	}
	c := &guarded{Conn: conn, guard: g, authenticated: g.trusting, closed: make(chan struct{})}
	g.conns[c] = struct{}{}
	g.open.Add(1)
	return c
}

func (g *guard) forget(c *guarded) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.conns[c]; ok {
		delete(g.conns, c)
		close(c.closed)
		g.open.Done()
	}
}

func (g *guard) disconnect() {
	g.mu.Lock()
	conns := make([]*guarded, 0, len(g.conns))
	for c := range g.conns {
		conns = append(conns, c)
	}
	g.mu.Unlock()
	for _, c := range conns {
		_ = c.Conn.Close() // its reader then ends and removes it
	}
}

// wait returns when kfake has closed every connection.
func (g *guard) wait() { g.open.Wait() }

// guarded is a connection whose requests are checked as they are read.
type guarded struct {
	net.Conn
	guard *guard

	header        [4 + 2 + 2 + 4]byte // size, kind, version, correlation id; kfake has not read header[read:] yet
	read          int
	rest          int // bytes of the current request after header
	inRequest     bool
	authenticated bool // a password was sent; kfake checks it

	handshake handshake
	joining   joining
	closed    chan struct{} // closed when kfake has closed the connection
}

func (c *guarded) Close() error {
	err := c.Conn.Close()
	c.guard.forget(c)
	return err
}

func (c *guarded) Read(p []byte) (int, error) {
	n, err := c.next(p)
	if err != nil {
		c.joining.wait(c.closed)
	}
	return n, err
}

// next reads a part of a request.
func (c *guarded) next(p []byte) (int, error) {
	if !c.inRequest {
		if err := c.begin(); err != nil {
			return 0, err
		}
	}
	if c.read < len(c.header) {
		n := copy(p, c.header[c.read:])
		c.read += n
		c.inRequest = c.read < len(c.header) || c.rest > 0
		return n, nil
	}
	n, err := c.Conn.Read(p[:min(len(p), c.rest)])
	c.rest -= n
	c.inRequest = c.rest > 0
	return n, err
}

// begin reads the header of a request and checks it.
func (c *guarded) begin() error {
	for n := 0; n < len(c.header); {
		m, err := c.Conn.Read(c.header[n:])
		if err != nil {
			return err
		}
		n += m
	}
	size := int64(binary.BigEndian.Uint32(c.header[:]))
	kind := int16(binary.BigEndian.Uint16(c.header[4:]))
	if err := c.check(size, kmsg.Key(kind)); err != nil {
		return err
	}
	c.read, c.rest, c.inRequest = 0, int(size)-(len(c.header)-4), true
	c.authenticated = c.authenticated || kmsg.Key(kind) == kmsg.SASLAuthenticate
	c.handshake.expect(c.header)
	c.joining.expect(c.header)
	return nil
}

func (c *guarded) check(size int64, kind kmsg.Key) error {
	limit := int64(maxRequestBytes)
	if !c.authenticated {
		limit = maxHandshakeBytes
	}
	switch {
	case size < 8 || size > limit: // at least kind, version and correlation id
		return fmt.Errorf("%w: %d bytes", errHostile, size)
	case kmsg.RequestForKey(int16(kind)) == nil:
		return fmt.Errorf("%w: kind %d", errHostile, kind)
	case !c.authenticated && kind != kmsg.ApiVersions && kind != kmsg.SASLHandshake && kind != kmsg.SASLAuthenticate:
		return fmt.Errorf("%w: kind %d before authentication", errHostile, kind)
	}
	return nil
}
