package service

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is a connection of a client. It adds what net/http lacks: an answer has a deadline that moves with what the client receives;
// a client that ends its side after a request still gets the answer; and a client that is still sending a body which was refused
// gets the refusal.
type conn struct {
	net.Conn
	limits  limits
	hurry   *atomic.Bool // the server closes everything
	release func()       // frees the slot among HTTP_MAX_CONNS
	once    sync.Once

	active atomic.Bool  // a request is being answered
	plain  atomic.Bool  // over HTTP/1: an answer begins with "H"
	unread atomic.Bool  // a part of the request's body has not been read
	writes atomic.Int64 // how many there were

	mu    sync.Mutex // serializes writes, and guards what follows
	begun bool       // the answer to the request
	ahead bool       // the first byte of the answer was sent before the answer
}

type connKey struct{}

// withConn adds a connection to the contexts of its requests.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connOf returns the connection of a request; nil in tests without one.
func connOf(r *http.Request) *conn {
	c, _ := r.Context().Value(connKey{}).(*conn)
	return c
}

// track follows the states of connections. net/http calls it before it watches for the end of the client.
func track(c net.Conn, s http.ConnState) {
	own, ok := c.(*conn)
	if !ok {
		return
	}
	switch s {
	case http.StateActive:
		own.mu.Lock()
		own.begun = false
		own.mu.Unlock()
		own.active.Store(true)
	case http.StateIdle:
		own.active.Store(false)
		own.unread.Store(false)
	}
}

// Read reads what the client sends. While a handler runs, net/http reads a single byte, and cancels the request when that fails.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) && n == 0 && len(p) == 1 && c.active.Load() && c.plain.Load() {
		err = c.watch()
	}
	return n, err
}

// watch is called when a client has closed its sending side. It returns when the client has left, or when net/http stops watching. The
// server sees the same end of data from a client that has left and from one that only sends no more (shutdown, nc -N). They differ when an
// answer arrives: the system of a client that has left resets the connection. So the first byte of the answer is sent at once. If the
// answer has begun, its own writes show the reset. If nothing can be sent for a while, the client counts as one that has left.
func (c *conn) watch() error {
	socket, ok := c.Conn.(syscall.Conn)
	if !ok {
		return io.EOF
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	sent, err := c.sendAhead()
	if err != nil {
		return err
	}
	if !sent {
		seen := c.writes.Load()
		timer := time.AfterFunc(c.limits.silence, func() {
			if c.writes.Load() == seen {
				_ = c.Conn.Close()
			}
		})
		defer timer.Stop()
	}
	if err := raw.Read(wasReset); err != nil { // ends with the read deadline, too, as Read does
		return err
	}
	return syscall.ECONNRESET
}

// wasReset reports whether a connection was reset. After the end of the client's data, reading does not show that.
func wasReset(fd uintptr) bool {
	code, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
	return err != nil || code != 0
}

// sendAhead sends the first byte of the answer, unless the answer has begun.
func (c *conn) sendAhead() (sent bool, err error) {
	if !c.mu.TryLock() { // the answer is being written
		return false, nil
	}
	defer c.mu.Unlock()
	if c.begun {
		return false, nil
	}
	c.begun, c.ahead = true, true
	_, err = c.write([]byte("H"))
	return true, err
}

// Write sends a part of an answer.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	skipped := 0
	if c.ahead && len(p) > 0 {
		c.ahead, skipped = false, 1
	}
	if !c.begun && !bytes.HasPrefix(p, []byte("HTTP/1.1 100 ")) {
		c.begun = true
	}
	n, err := c.write(p[skipped:])
	return n + skipped, err
}

// write sends p, each piece within its deadline. The caller holds mu.
func (c *conn) write(p []byte) (n int, err error) {
	for err == nil && len(p) > 0 {
		piece := p[:min(len(p), sendPiece)]
		_ = c.SetWriteDeadline(time.Now().Add(c.limits.send))
		var sent int
		sent, err = c.Conn.Write(piece)
		c.writes.Add(1)
		n, p = n+sent, p[sent:]
	}
	return n, err
}

// CloseWrite ends the answer to a request whose body was not read to its end. net/http calls it before it closes the connection.
func (c *conn) CloseWrite() error {
	c.unread.Store(false)
	c.linger()
	return nil
}

// Close closes the connection, and frees its slot once.
func (c *conn) Close() error {
	defer c.once.Do(c.release)
	if c.unread.Swap(false) && !c.hurry.Load() {
		c.linger()
	}
	return c.Conn.Close()
}

// linger reads and drops for a while what a client still sends after the answer. If the connection were closed at once, it would be reset,
// and most systems then drop the answer before the client has read it (RFC 9112, section 9.6).
func (c *conn) linger() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(c.limits.linger))
	_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
}
