// Package relay stands between a service and what it depends on, and does to their traffic what a bad network does: it
// holds answers back, loses them together with their connection, breaks off within a request, or falls silent. The relay of
// Kafka knows requests of Kafka, and can answer a produce request with an error before or after it was carried out.
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

// Faults is what happens to the traffic. The zero value lets everything through. Shares are from 0 to 1.
type Faults struct {
	Delay time.Duration // an answer is held back for up to so long
	Drop  float64       // share of the answers that are lost, and their connection with them
	Break float64       // share of the pieces of requests after half of which the connection is lost
	Hang  bool          // no answer comes until other faults are set

	Kinds  []protocol.ApiKey // of Kafka's requests that Delay, Drop and Hang are about; all if empty
	Refuse kafka.Error       // what produce requests are answered with in place of being carried out
	Deny   kafka.Error       // what produce requests are answered with although they were carried out
	Share  float64           // of the produce requests that Refuse and Deny are about
}

// Counts is what a relay has done.
type Counts struct {
	Delayed, Dropped, Broken, Hung, Refused, Denied int64
}

// Sum is the number of faults.
func (c Counts) Sum() int64 {
	return c.Delayed + c.Dropped + c.Broken + c.Hung + c.Refused + c.Denied
}

// state is the faults that hold until over is closed.
type state struct {
	Faults
	over chan struct{}
}

// Relay passes connections on. It is safe for concurrent use.
type Relay struct {
	listeners []net.Listener
	targets   []string
	speaks    func(*link) // copies both ways until either end is closed
	all       sync.WaitGroup

	delayed, dropped, broken, hung, refused, denied atomic.Int64

	mu    sync.Mutex // guards what follows
	rand  *rand.Rand
	state *state
	conns map[net.Conn]struct{} // nil once the relay is closed
}

// Open relays to one address, whatever is spoken there: an answer is what comes at once.
func Open(ctx context.Context, target string, seed uint64) (*Relay, error) {
	r, err := listen(ctx, []string{target}, seed)
	if err != nil {
		return nil, err
	}
	r.speaks = (*link).plain
	r.accept()
	return r, nil
}

// listen takes a free port for each target.
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

// Addrs are where the relay listens, in the order of its targets.
func (r *Relay) Addrs() (all []string) {
	for _, l := range r.listeners {
		all = append(all, l.Addr().String())
	}
	return all
}

// Set makes f what happens from now on; what was held back goes on.
func (r *Relay) Set(f Faults) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.state.over)
	r.state = &state{Faults: f, over: make(chan struct{})}
}

// Counts is what the relay has done so far.
func (r *Relay) Counts() Counts {
	return Counts{r.delayed.Load(), r.dropped.Load(), r.broken.Load(), r.hung.Load(), r.refused.Load(), r.denied.Load()}
}

// Close cuts every connection and waits until all are gone.
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
					return // it is closed
				}
				r.all.Go(func() { r.serve(caller, r.targets[i]) })
			}
		})
	}
}

// link is one connection of a caller and the one that it is passed on to.
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

// cut closes both ends. What the caller has not been sent is lost: it sees a reset, as of a host that is gone.
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

// both runs the two directions and returns when both have ended; either ends the other.
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

// pieces hands over what comes until there is no more or f has had enough.
func pieces(from io.Reader, f func([]byte) bool) {
	b := make([]byte, piece)
	for {
		n, err := from.Read(b)
		if n > 0 && !f(b[:n]) || err != nil {
			return
		}
	}
}

// answer does to an answer what the faults say, and reports whether it is to be passed on.
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

// rest waits until one of them; false if the connection ends meanwhile.
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

// draw says whether a fault of that share strikes now.
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
