package broker_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/sasl/plain"
	"go.uber.org/goleak"

	"github.com/activitylog/activitylog/deploy/embedded/broker"
	"github.com/activitylog/activitylog/deploy/embedded/folder"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topic = "activity"

func open(t *testing.T, cfg broker.Config) *broker.Broker {
	t.Helper()
	b, err := broker.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return b
}

func closeBroker(t *testing.T, b *broker.Broker) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func client(t *testing.T, b *broker.Broker) *kafka.Client {
	t.Helper()
	tr := &kafka.Transport{
		DialTimeout: time.Second, MetadataTTL: time.Second,
		SASL: plain.Mechanism{Username: broker.User, Password: b.Password()},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(b.Addr()), Timeout: 5 * time.Second, Transport: tr}
}

func createTopics(t *testing.T, c *kafka.Client) {
	t.Helper()
	if err := schemakafka.Create(t.Context(), c, schemakafka.Topics(topic, 1, 24*time.Hour)); err != nil {
		t.Fatalf("Create: %v", err)
	}
}

// produce writes a record and returns its offset.
func produce(ctx context.Context, c *kafka.Client, value string) (int64, error) {
	res, err := c.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Value: protocol.NewBytes([]byte(value))}),
	})
	if err != nil {
		return 0, err
	}
	return res.BaseOffset, res.Error
}

func mustProduce(t *testing.T, c *kafka.Client, value string) int64 {
	t.Helper()
	offset, err := produce(t.Context(), c, value)
	if err != nil {
		t.Fatalf("produce: %v", err)
	}
	return offset
}

func fetch(t *testing.T, c *kafka.Client, offset int64) string {
	t.Helper()
	res, err := c.Fetch(t.Context(), &kafka.FetchRequest{Topic: topic, Offset: offset, MaxBytes: 1 << 20, MaxWait: time.Second})
	if err = errors.Join(err, res.Error); err != nil {
		t.Fatalf("fetch %d: %v", offset, err)
	}
	rec, err := res.Records.ReadRecord()
	if err != nil {
		t.Fatalf("read record %d: %v", offset, err)
	}
	value, err := io.ReadAll(rec.Value)
	if err != nil {
		t.Fatalf("read value %d: %v", offset, err)
	}
	return string(value)
}

func commit(t *testing.T, c *kafka.Client, offset int64) {
	t.Helper()
	res, err := c.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{
		GroupID: schemakafka.Group(topic), GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{topic: {{Offset: offset, Metadata: "m"}}},
	})
	if err != nil {
		t.Fatalf("commit %d: %v", offset, err)
	}
	if err := res.Topics[topic][0].Error; err != nil {
		t.Fatalf("commit %d: %v", offset, err)
	}
}

func committed(t *testing.T, c *kafka.Client) int64 {
	t.Helper()
	res, err := c.OffsetFetch(t.Context(), &kafka.OffsetFetchRequest{GroupID: schemakafka.Group(topic), Topics: map[string][]int{topic: {0}}})
	if err != nil {
		t.Fatalf("fetch commit: %v", err)
	}
	return res.Topics[topic][0].CommittedOffset
}

// crash copies a running broker's folder, as kill -9 would leave it. Nothing writes to it meanwhile, so the copy can be used.
func crash(t *testing.T, dir string) (copied string) {
	t.Helper()
	copied = filepath.Join(t.TempDir(), "crashed")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatalf("copy folder: %v", err)
	}
	if _, err := broker.Open(t.Context(), broker.Config{DataDir: copied}); !errors.Is(err, folder.ErrCopied) {
		t.Fatalf("Open of a copy: got %v, want %v", err, folder.ErrCopied)
	}
	if err := os.Remove(filepath.Join(copied, "lock")); err != nil {
		t.Fatal(err)
	}
	return copied
}

func TestRecordsAndCommitsSurvive(t *testing.T) {
	for _, how := range []string{"stop", "crash"} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			b := open(t, broker.Config{DataDir: dir})
			c := client(t, b)
			createTopics(t, c)
			for i := range 20 {
				mustProduce(t, c, fmt.Sprint("value ", i))
			}
			commit(t, c, 17)
			if how == "crash" {
				dir = crash(t, dir)
			}
			closeBroker(t, b)

			b = open(t, broker.Config{DataDir: dir})
			defer closeBroker(t, b)
			c = client(t, b)
			if got, want := fetch(t, c, 19), "value 19"; got != want {
				t.Errorf("record 19: got %q, want %q", got, want)
			}
			if got, want := committed(t, c), int64(17); got != want {
				t.Errorf("committed: got %d, want %d", got, want)
			}
			if got, want := mustProduce(t, c, "next"), int64(20); got != want {
				t.Errorf("next offset: got %d, want %d", got, want)
			}
		})
	}
}

func TestTornTails(t *testing.T) {
	dir := t.TempDir()
	b := open(t, broker.Config{DataDir: dir})
	c := client(t, b)
	createTopics(t, c)
	mustProduce(t, c, "kept")
	commit(t, c, 1)
	dir = crash(t, dir)
	closeBroker(t, b)
	appendTo(t, filepath.Join(dir, "log", "groups.log"), "\x40\x00\x00\x00torn")
	appendTo(t, filepath.Join(dir, "log", "partitions", "activity-0", "0.dat"), "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x01\x00torn")

	b = open(t, broker.Config{DataDir: dir})
	c = client(t, b)
	if got, want := mustProduce(t, c, "second"), int64(1); got != want {
		t.Errorf("offset behind a torn log: got %d, want %d", got, want)
	}
	commit(t, c, 2) // after the torn journal entry
	dir = crash(t, dir)
	closeBroker(t, b)

	b = open(t, broker.Config{DataDir: dir})
	defer closeBroker(t, b)
	c = client(t, b)
	if got, want := committed(t, c), int64(2); got != want {
		t.Errorf("committed behind a torn entry: got %d, want %d", got, want)
	}
	if got, want := fetch(t, c, 1), "second"; got != want {
		t.Errorf("record behind a torn batch: got %q, want %q", got, want)
	}
}

// A partition with only an empty file continues at its last offset.
func TestEmptyLogKeepsItsEnd(t *testing.T) {
	dir := t.TempDir()
	b := open(t, broker.Config{DataDir: dir})
	c := client(t, b)
	createTopics(t, c)
	for range 3 {
		mustProduce(t, c, "x")
	}
	dir = crash(t, dir)
	closeBroker(t, b)
	log := filepath.Join(dir, "log", "partitions", "activity-0")
	for _, name := range []string{"0.dat", "0.idx"} {
		if err := os.Remove(filepath.Join(log, name)); err != nil {
			t.Fatalf("remove: %v", err)
		}
	}
	if err := os.WriteFile(filepath.Join(log, "3.dat"), []byte("torn"), 0o600); err != nil {
		t.Fatalf("write: %v", err)
	}
	b = open(t, broker.Config{DataDir: dir})
	defer closeBroker(t, b)
	if got, want := mustProduce(t, client(t, b), "y"), int64(3); got != want {
		t.Errorf("next offset: got %d, want %d", got, want)
	}
}

func appendTo(t *testing.T, path, bytes string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	_, err = f.WriteString(bytes)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatalf("append to %s: %v", path, err)
	}
}

func TestFolderBelongsToOneProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	b := open(t, broker.Config{DataDir: dir})
	if _, err := broker.Open(t.Context(), broker.Config{DataDir: dir}); !errors.Is(err, broker.ErrLocked) {
		t.Errorf("second Open: got %v, want %v", err, broker.ErrLocked)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of folder: got %v, %v, want 0700", info.Mode(), err)
	}
	closeBroker(t, b)
	closeBroker(t, open(t, broker.Config{DataDir: dir}))
}

func TestPassword(t *testing.T) {
	dir := t.TempDir()
	b := open(t, broker.Config{DataDir: dir})
	made := b.Password()
	closeBroker(t, b)
	if made == "" {
		t.Fatal("no password was made")
	}
	for _, tt := range []struct{ name, configured, want string }{
		{"kept", "", made},
		{"configured", "another", "another"},
		{"kept still", "", made},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := open(t, broker.Config{DataDir: dir, Password: tt.configured})
			defer closeBroker(t, b)
			if got := b.Password(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if _, err := client(t, b).Metadata(t.Context(), &kafka.MetadataRequest{}); err != nil {
				t.Errorf("with the password: %v", err)
			}
			tr := &kafka.Transport{SASL: plain.Mechanism{Username: broker.User, Password: "wrong"}}
			defer tr.CloseIdleConnections()
			wrong := &kafka.Client{Addr: kafka.TCP(b.Addr()), Timeout: time.Second, Transport: tr}
			if _, err := wrong.Metadata(t.Context(), &kafka.MetadataRequest{}); err == nil {
				t.Error("with a wrong password: got an answer, want an error")
			}
		})
	}
}

func TestHostileBytes(t *testing.T) {
	b := open(t, broker.Config{DataDir: t.TempDir()})
	defer closeBroker(t, b)
	request := func(size uint32, kind uint16) []byte {
		head := binary.BigEndian.AppendUint32(nil, size)
		return append(binary.BigEndian.AppendUint16(head, kind), 0, 0, 0, 0, 0, 0, 0, 0)
	}
	for name, bytes := range map[string][]byte{
		"unknown kind":          request(10, 9999),
		"4 GiB":                 request(1<<32-1, 18),
		"nothing":               request(0, 18),
		"produce, no password":  request(10, 0),
		"metadata, no password": request(10, 3),
		"text":                  []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", b.Addr())
			if err != nil {
				t.Fatalf("dial: %v", err)
			}
			defer conn.Close()
			if _, err := conn.Write(bytes); err != nil {
				t.Fatalf("write: %v", err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatalf("deadline: %v", err)
			}
			if n, err := conn.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %d bytes, %v, want a closed connection", n, err)
			}
		})
	}
	if _, err := client(t, b).Metadata(t.Context(), &kafka.MetadataRequest{}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
