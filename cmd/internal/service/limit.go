package service

import (
	"net"
	"sync"
)

// limited is a listener that closes connections beyond its capacity.
type limited struct {
	net.Listener
	free    chan struct{}
	refused interface{ Inc() }
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.free <- struct{}{}:
			return &limitedConn{Conn: conn, release: func() { <-l.free }}, nil
		default:
			l.refused.Inc()
			_ = conn.Close()
		}
	}
}

// limitedConn frees its slot once, when it is closed.
type limitedConn struct {
	net.Conn
	once    sync.Once
	release func()
}

func (c *limitedConn) Close() error {
	defer c.once.Do(c.release)
	return c.Conn.Close()
}
