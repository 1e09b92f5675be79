//go:build !kafka

package testbed

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/activitylog/activitylog/deploy/embedded/broker"
)

// server is an embedded broker for one test.
type server struct {
	topic   string
	cfg     broker.Config
	running *broker.Broker
	first   string // its first folder
	folders int    // that followed
}

func newServer(t testing.TB) *server {
	folder := filepath.Join(t.TempDir(), "broker")
	return &server{topic: "activity", cfg: broker.Config{DataDir: folder}, first: folder}
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

// replace makes the next start run another broker, with an empty folder.
func (s *server) replace() error {
	s.folders++
	s.cfg.DataDir = fmt.Sprintf("%s-%d", s.first, s.folders)
	return nil
}

// save copies the folder of the stopped broker, and returns a function that makes the next start use the copy.
func (s *server) save() (restore func() error, err error) {
	s.folders++
	copied := fmt.Sprintf("%s-%d", s.first, s.folders)
	if err := os.CopyFS(copied, os.DirFS(s.cfg.DataDir)); err != nil {
		return nil, fmt.Errorf("copy the broker's folder: %w", err)
	}
	return func() error { s.cfg.DataDir = copied; return nil }, nil
}

func (s *server) disconnect() { s.running.Disconnect() }
