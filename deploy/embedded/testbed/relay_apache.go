//go:build kafka

package testbed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// relay forwards connections to a node, so that a test can cut every connection without touching the node.
type relay struct {
	listener net.Listener
	target   string
	all      sync.WaitGroup

	mu     sync.Mutex // guards conns and closed
	conns  map[net.Conn]bool
	closed bool
}

func openRelay(ctx context.Context, addr, target string) (*relay, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen before the node: %w", err)
	}
	r := &relay{listener: l, target: target, conns: map[net.Conn]bool{}}
	r.all.Go(r.accept)
	return r, nil
}

func (r *relay) accept() {
	for {
		caller, err := r.listener.Accept()
		if err != nil {
			return // the listener is closed
		}
		r.all.Go(func() { r.pass(caller) })
	}
}

// pass copies in both directions until one end is closed.
func (r *relay) pass(caller net.Conn) {
	node, err := net.Dial("tcp", r.target)
	if err != nil {
		_ = caller.Close()
		return
	}
	defer r.forget(caller, node)
	if !r.remember(caller, node) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(caller, node)
		_ = caller.Close()
	})
	_, _ = io.Copy(node, caller)
	_ = node.Close()
	back.Wait()
}

func (r *relay) remember(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		r.conns[c] = true
	}
	return !r.closed
}

func (r *relay) forget(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(r.conns, c)
	}
}

func (r *relay) disconnect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		_ = c.Close()
	}
}

// close refuses new connections, cuts the open ones, and waits until all are closed.
func (r *relay) close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	err := r.listener.Close()
	r.disconnect()
	r.all.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
