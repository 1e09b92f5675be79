package service

import (
	"net"
	"sync/atomic"
	"time"
)

const (
	arrivePiece = 16 << 10 // bytes of a request's body that have a deadline
	sendPiece   = 64 << 10 // bytes of an answer that have a deadline
	lingerBytes = 64 << 20 // dropped at most of a body that was refused
)

// limits set how slow a client may be.
type limits struct {
	arrive  time.Duration // for each arrivePiece of a body
	whole   time.Duration // for a body
	send    time.Duration // for each sendPiece of an answer
	linger  time.Duration // of a client that still sends a body which was refused
	silence time.Duration // without a byte sent to a client that has ended its side in the middle of an answer
}

// A body may arrive at 1 kB/s, and so may an answer.
var defaultLimits = limits{
	arrive: 16 * time.Second, whole: time.Hour, send: time.Minute, linger: 2 * time.Second, silence: 5 * time.Second,
}

// limited is a listener that closes connections beyond its capacity.
type limited struct {
	net.Listener
	limits  limits
	free    chan struct{}
	refused interface{ Inc() }
	hurry   atomic.Bool // connections are closed without waiting for clients
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.free <- struct{}{}:
			c := &conn{Conn: inner, limits: l.limits, hurry: &l.hurry, release: func() { <-l.free }}
			c.plain.Store(true)
			return c, nil
		default:
			l.refused.Inc()
			_ = inner.Close()
		}
	}
}
