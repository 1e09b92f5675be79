//go:build !kafka

package testbed

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/activitylog/activitylog/deploy/embedded/broker"
)

// server is an embedded broker for one test.
type server struct {
	topic   string
	cfg     broker.Config
	running *broker.Broker
}

func newServer(t testing.TB) *server {
	return &server{topic: "activity", cfg: broker.Config{DataDir: filepath.Join(t.TempDir(), "broker")}}
}

func (s *server) addr() string { return s.cfg.Addr }

func (s *server) login() (mechanism, user, password string) {
	return "plain", broker.User, s.cfg.Password
}

func (s *server) start(ctx context.Context) (err error) {
	if s.running, err = broker.Open(ctx, s.cfg); err != nil {
		return err
	}
	s.cfg.Addr, s.cfg.Password = s.running.Addr(), s.running.Password()
	return nil
}

func (s *server) stop() error {
	if s.running == nil {
		return nil
	}
	running := s.running
	s.running = nil
	return running.Close()
}

// release ends the test.
func (s *server) release() error { return s.stop() }

func (s *server) disconnect() { s.running.Disconnect() }
