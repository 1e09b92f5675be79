// Package relay is a proxy between a service and its dependency that behaves like a bad network: it delays responses, drops them with
// their connection, breaks connections within a request, or hangs. The relay for Kafka understands Kafka requests, and can answer a
// produce request with an error before or after the node has executed it.
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Faults is what a relay does to the traffic. The zero value passes everything. Shares are from 0 to 1.
type Faults struct {
	Delay time.Duration // most delay of a response
	Drop  float64       // share of responses that are dropped with their connection
	Break float64       // share of the chunks of requests in the middle of which the connection breaks
	Hang  bool          // no response passes until other faults are set

	Kinds  []protocol.ApiKey // kinds of Kafka requests that Delay, Drop and Hang apply to; all if empty
	Refuse kafka.Error       // answer to produce requests, which are not executed
	Deny   kafka.Error       // answer to produce requests, although they were executed
	Share  float64           // of produce requests that Refuse and Deny apply to
}

// Counts is how many faults of each kind a relay has injected.
type Counts struct {
	Delayed, Dropped, Broken, Hung, Refused, Denied int64
}

// Sum returns the number of faults.
func (c Counts) Sum() int64 {
	return c.Delayed + c.Dropped + c.Broken + c.Hung + c.Refused + c.Denied
}

// state is the faults until over is closed.
type state struct {
	Faults
	over chan struct{}
}

// Relay forwards connections. It is safe for concurrent use.
type Relay struct {
	listeners []net.Listener
	targets   []string
	speaks    func(*link) // copies both ways until either end is closed
	all       sync.WaitGroup

	delayed, dropped, broken, hung, refused, denied atomic.Int64

	mu    sync.Mutex // guards the fields below
	rand  *rand.Rand
	state *state
	conns map[net.Conn]struct{} // nil once the relay is closed
}

// Open relays to one address, with any protocol: a response is the data that arrives at once.
func Open(ctx context.Context, target string, seed uint64) (*Relay, error) {
	r, err := listen(ctx, []string{target}, seed)
	if err != nil {
		return nil, err
	}
	r.speaks = (*link).plain
	r.accept()
	return r, nil
}

// listen opens a free port for each target.
func listen(ctx context.Context, targets []string, seed uint64) (*Relay, error) {
	r := &Relay{
		targets: targets, rand: rand.New(rand.NewPCG(seed, 6)), conns: map[net.Conn]struct{}{},
		state: &state{over: make(chan struct{})},
	}
	for range targets {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open a relay: %w", err), r.Close())
		}
		r.listeners = append(r.listeners, l)
	}
	return r, nil
}

// Addrs returns the addresses of the relay in the order of its targets.
func (r *Relay) Addrs() (all []string) {
	for _, l := range r.listeners {
		all = append(all, l.Addr().String())
	}
	return all
}

// Set replaces the faults by f; delayed and hanging traffic continues.
func (r *Relay) Set(f Faults) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.state.over)
	r.state = &state{Faults: f, over: make(chan struct{})}
}

// Counts returns the faults so far.
func (r *Relay) Counts() Counts {
	return Counts{r.delayed.Load(), r.dropped.Load(), r.broken.Load(), r.hung.Load(), r.refused.Load(), r.denied.Load()}
}

// Close closes every connection and waits until all have ended.
func (r *Relay) Close() error {
	r.Set(Faults{})
	r.mu.Lock()
	var all error
	for _, l := range r.listeners {
		all = errors.Join(all, l.Close())
	}
	for c := range r.conns {
		_ = c.Close()
	}
	r.conns = nil
	r.mu.Unlock()
	r.all.Wait()
	return all
}

func (r *Relay) accept() {
	for i, l := range r.listeners {
		r.all.Go(func() {
			for {
				caller, err := l.Accept()
				if err != nil {
					return // the relay is closed
				}
				r.all.Go(func() { r.serve(caller, r.targets[i]) })
			}
		})
	}
}

// link is a connection of a client and the connection to its target.
type link struct {
	*Relay
	caller, target net.Conn
	gone           chan struct{} // closed when either end is
	once           sync.Once
}

func (r *Relay) serve(caller net.Conn, addr string) {
	target, err := net.Dial("tcp", addr)
	if err != nil {
		_ = caller.Close()
		return
	}
	l := &link{Relay: r, caller: caller, target: target, gone: make(chan struct{})}
	defer r.forget(l)
	if r.remember(l) {
		r.speaks(l)
	}
}

func (r *Relay) remember(l *link) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conns == nil {
		return false
	}
	r.conns[l.caller], r.conns[l.target] = struct{}{}, struct{}{}
	return true
}

func (r *Relay) forget(l *link) {
	l.cut()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, l.caller)
	delete(r.conns, l.target)
}

// cut closes both ends. Data that was not sent to the client is lost: the client sees a reset, as from a dead host.
func (l *link) cut() {
	l.once.Do(func() {
		close(l.gone)
		if c, ok := l.caller.(*net.TCPConn); ok {
			_ = c.SetLinger(0)
		}
		_ = l.caller.Close()
		_ = l.target.Close()
	})
}

// both runs the two directions until both have ended; each ends the other.
func (l *link) both(requests, answers func()) {
	var back sync.WaitGroup
	back.Go(func() {
		defer l.cut()
		answers()
	})
	requests()
	l.cut()
	back.Wait()
}

func (l *link) plain() { l.both(l.plainRequests, l.plainAnswers) }

const piece = 64 << 10

func (l *link) plainRequests() {
	pieces(l.caller, func(b []byte) bool {
		if l.draw(func(f Faults) float64 { return f.Break }) {
			l.broken.Add(1)
			_, _ = l.target.Write(b[:len(b)/2])
			return false
		}
		_, err := l.target.Write(b)
		return err == nil
	})
}

func (l *link) plainAnswers() {
	pieces(l.target, func(b []byte) bool {
		if !l.answer(nil) {
			return false
		}
		_, err := l.caller.Write(b)
		return err == nil
	})
}

// pieces calls f with the data that arrives, until there is no more or f returns false.
func pieces(from io.Reader, f func([]byte) bool) {
	b := make([]byte, piece)
	for {
		n, err := from.Read(b)
		if n > 0 && !f(b[:n]) || err != nil {
			return
		}
	}
}

// answer applies the faults to a response, and reports whether to pass it on.
func (l *link) answer(kind *protocol.ApiKey) bool {
	s := l.current()
	if kind != nil && len(s.Kinds) > 0 && !slices.Contains(s.Kinds, *kind) {
		return true
	}
	if s.Hang {
		l.hung.Add(1)
		if !l.rest(s.over, nil) {
			return false
		}
	}
	if s.Delay > 0 {
		l.delayed.Add(1)
		timer := time.NewTimer(l.part(s.Delay))
		defer timer.Stop()
		if !l.rest(s.over, timer.C) {
			return false
		}
	}
	if s.Drop > 0 && l.below(s.Drop) {
		l.dropped.Add(1)
		return false
	}
	return true
}

// rest waits for one of the channels; false if the connection ends first.
func (l *link) rest(over <-chan struct{}, timer <-chan time.Time) bool {
	select {
	case <-over:
		return true
	case <-timer:
		return true
	case <-l.gone:
		return false
	}
}

func (r *Relay) current() *state {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// draw reports whether a fault of the given share happens now.
func (r *Relay) draw(share func(Faults) float64) bool {
	s := share(r.current().Faults)
	return s > 0 && r.below(s)
}

func (r *Relay) below(share float64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rand.Float64() < share
}

func (r *Relay) part(d time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Duration(r.rand.Int64N(int64(d)))
}
