//go:build kafka

package testbed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	openNode = sync.OnceValues(newNode)
	topics   atomic.Int64
)

// server is the node of this test process, behind a relay. Its tests use it one after the other. A test with several brokers has several
// topics of the one node, behind one relay: none of these brokers can be stopped.
type server struct {
	topic string
	node  *node
	relay *relay // nil while the server is stopped
}

// relays is the relay that servers share now.
var relays struct {
	mu    sync.Mutex
	open  *relay
	users int
}

func newServer(t testing.TB) *server {
	t.Helper()
	n, err := openNode()
	if err != nil {
		t.Fatalf("prepare a node of Apache Kafka: %v", err)
	}
	return &server{topic: fmt.Sprintf("activity%d", topics.Add(1)), node: n}
}

func (s *server) addr() string { return s.node.advertised }

func (s *server) login() (mechanism, user, password string) {
	return "scram-sha-512", nodeUser, nodePassword
}

func (s *server) start(ctx context.Context) (err error) {
	if err := s.node.start(ctx); err != nil {
		return err
	}
	relays.mu.Lock()
	defer relays.mu.Unlock()
	if relays.users == 0 {
		if relays.open, err = openRelay(ctx, s.node.advertised, s.node.login); err != nil {
			return err
		}
	}
	relays.users++
	s.relay = relays.open
	return nil
}

func (s *server) stop() error {
	if err := s.release(); err != nil {
		return err
	}
	relays.mu.Lock()
	defer relays.mu.Unlock()
	if relays.users > 0 {
		return errors.New("another broker of this test is on the same node")
	}
	return s.node.kill()
}

// release ends the test; the node keeps running for the next.
func (s *server) release() error {
	if s.relay == nil {
		return nil
	}
	relay := s.relay
	s.relay = nil
	relays.mu.Lock()
	defer relays.mu.Unlock()
	if relays.users--; relays.users > 0 {
		return nil
	}
	return relay.close()
}

// replace makes the next start run another node, with an empty folder.
func (s *server) replace() error { return s.node.move() }

// save copies the folder of the stopped node, and returns a function that makes the next start use the copy.
func (s *server) save() (restore func() error, err error) {
	copied, err := s.node.copied()
	if err != nil {
		return nil, err
	}
	return func() error { s.node.folder = copied; return nil }, nil
}

func (s *server) disconnect() { s.relay.disconnect() }
