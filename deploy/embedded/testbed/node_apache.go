//go:build kafka

package testbed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	nodeUser     = "activity"
	nodePassword = "pw"
	nodeTimeout  = time.Minute // of its start
)

// node is a node of Apache Kafka, a process with one data folder. It is killed after this process has ended.
type node struct {
	folder     string
	local      string // without a password
	login      string
	controller string
	advertised string // the address for clients that log in
	process    *os.Process
}

func newNode() (*node, error) {
	folder, err := os.MkdirTemp("", "kafka-test-")
	if err != nil {
		return nil, fmt.Errorf("make a data folder: %w", err)
	}
	removeAfter(folder)
	n := &node{folder: folder}
	for _, addr := range []*string{&n.local, &n.login, &n.controller, &n.advertised} {
		if *addr, err = freeAddr(); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// move gives the stopped node an empty folder.
func (n *node) move() (err error) {
	if n.folder, err = os.MkdirTemp("", "kafka-test-"); err != nil {
		return fmt.Errorf("make a data folder: %w", err)
	}
	removeAfter(n.folder)
	return nil
}

// copied returns a copy of the stopped node's folder.
func (n *node) copied() (folder string, err error) {
	if folder, err = os.MkdirTemp("", "kafka-test-"); err != nil {
		return "", fmt.Errorf("make a data folder: %w", err)
	}
	removeAfter(folder)
	if err := os.CopyFS(folder, os.DirFS(n.folder)); err != nil {
		return "", fmt.Errorf("copy the node's folder: %w", err)
	}
	return folder, nil
}

// freeAddr returns a loopback address that nobody listens on. Its port is below the range of ephemeral ports (from 32768 on Linux, from
// 49152 elsewhere), so that no outgoing connection takes it.
func freeAddr() (string, error) {
	var all error
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(12_000+rand.IntN(20_000)))
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
		all = errors.Join(all, err)
	}
	return "", fmt.Errorf("find a free port: %w", all)
}

// start starts the node, unless it is running, and returns when it answers.
func (n *node) start(ctx context.Context) error {
	if n.process != nil {
		return nil
	}
	path := filepath.Join(n.folder, "node.log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the node's log: %w", err)
	}
	defer log.Close()
	_, self, _, _ := runtime.Caller(0)
	cmd := exec.Command(filepath.Join(filepath.Dir(self), "..", "..", "kafka", "node.sh"))
	cmd.Env = append(os.Environ(), "KAFKA_DATA="+n.folder, "KAFKA_LOCAL="+n.local, "KAFKA_LOGIN="+n.login,
		"KAFKA_ADVERTISED="+n.advertised, "KAFKA_CONTROLLER="+n.controller, "KAFKA_PASSWORD="+nodePassword)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start a node: %w", err)
	}
	n.process = cmd.Process
	if err := os.WriteFile(n.pidFile(), []byte(strconv.Itoa(n.process.Pid)), 0o600); err != nil {
		return errors.Join(fmt.Errorf("record the node's process: %w", err), n.kill())
	}
	if err := n.ready(ctx); err != nil {
		said, _ := os.ReadFile(path)
		return errors.Join(fmt.Errorf("%w; its log:\n%s", err, said), n.kill())
	}
	return nil
}

func (n *node) pidFile() string { return filepath.Join(n.folder, "pid") }

// ready waits until the node has joined its cluster.
func (n *node) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	tr := &kafka.Transport{DialTimeout: time.Second, MetadataTTL: 100 * time.Millisecond}
	defer tr.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(n.local), Timeout: time.Second, Transport: tr}
	for {
		meta, err := client.Metadata(ctx, &kafka.MetadataRequest{})
		if err == nil && len(meta.Brokers) > 0 {
			return nil
		}
		if !again(ctx) {
			return fmt.Errorf("the node has not joined its cluster after %v: %w", nodeTimeout, err)
		}
	}
}

// kill ends the node with SIGKILL and waits until it has ended.
func (n *node) kill() error {
	if n.process == nil {
		return nil
	}
	process := n.process
	n.process = nil
	if err := process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill the node: %w", err)
	}
	if _, err := process.Wait(); err != nil {
		return fmt.Errorf("wait for the node: %w", err)
	}
	return os.Remove(n.pidFile())
}
