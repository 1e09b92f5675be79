package broker_test

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"

	"github.com/activitylog/activitylog/deploy/embedded/broker"
)

// Clients other than kafka-go and franz-go refuse a handshake whose response does not list their mechanism.
func TestHandshakeListsTheMechanism(t *testing.T) {
	b := open(t, broker.Config{DataDir: t.TempDir()})
	defer closeBroker(t, b)
	for _, tt := range []struct {
		mechanism string
		wantError int16
	}{
		{"PLAIN", 0},
		{"SCRAM-SHA-512", 0}, // the login fails later: no such user
		{"GSSAPI", 33},       // UNSUPPORTED_SASL_MECHANISM
	} {
		raw, err := new(net.Dialer).DialContext(t.Context(), "tcp", b.Addr())
		if err != nil {
			t.Fatalf("dial: %v", err)
		}
		conn := protocol.NewConn(raw, "test")
		conn.SetVersions(map[protocol.ApiKey]int16{protocol.SaslHandshake: 1})
		msg, err := conn.RoundTrip(&saslhandshake.Request{Mechanism: tt.mechanism})
		if err != nil {
			t.Fatalf("%s: %v", tt.mechanism, err)
		}
		got := msg.(*saslhandshake.Response)
		if got.ErrorCode != tt.wantError || !slices.Equal(got.Mechanisms, []string{"PLAIN"}) {
			t.Errorf("%s: got error %d, mechanisms %v; want %d and PLAIN", tt.mechanism, got.ErrorCode, got.Mechanisms, tt.wantError)
		}
		_ = conn.Close()
	}
}

// kcat is librdkafka, as most clients are that are not written in Java or Go.
func TestKcatWritesAndReads(t *testing.T) {
	if _, err := exec.LookPath("kcat"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("kcat is not installed (Debian package kcat)")
		}
		t.Skip("kcat is not installed (Debian package kcat)")
	}
	b := open(t, broker.Config{DataDir: t.TempDir()})
	defer closeBroker(t, b)
	createTopics(t, client(t, b))
	kcat := func(stdin, password string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "kcat", append([]string{
			"-b", b.Addr(), "-t", topic, "-X", "security.protocol=SASL_PLAINTEXT", "-X", "sasl.mechanism=PLAIN",
			"-X", "sasl.username=" + broker.User, "-X", "sasl.password=" + password,
		}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := kcat("a:1\nb:2\n", b.Password(), "-P", "-K", ":"); err != nil {
		t.Fatalf("kcat -P: %v\n%s", err, out)
	}
	out, err := kcat("", b.Password(), "-C", "-e", "-q", "-K", ":")
	if err != nil || out != "a:1\nb:2\n" {
		t.Errorf("kcat -C: %v, got %q", err, out)
	}
	if out, err := kcat("", "wrong", "-L", "-m", "2"); err == nil {
		t.Errorf("kcat with a wrong password: got %q, want an error", out)
	}
}
