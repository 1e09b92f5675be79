package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	kafkago "github.com/segmentio/kafka-go"

	serviceclickhouse "github.com/activitylog/activitylog/cmd/internal/service/clickhouse"
	"github.com/activitylog/activitylog/cmd/internal/service/kafka"
)

// An error says what to try, in words for operators, and shows no password.
func TestExplain(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8123}, Err: syscall.ECONNREFUSED}
	both := []place{atKafka(kafka.Config{Brokers: []string{"kafka:9092"}}), atClickHouse(serviceclickhouse.Config{DSN: "http://default:hunter2@127.0.0.1:8123/default"})}
	query := []place{asking{URL: "http://127.0.0.1:50809"}.place()}
	post := func(err error) error {
		return &url.Error{Op: "Post", URL: "http://default:***@127.0.0.1:8123/?database=default", Err: err}
	}
	for _, tt := range []struct {
		name   string
		err    error
		places []place
		file   string
		has    []string
	}{
		{"ClickHouse is away", fmt.Errorf("list dead letters: %w", post(refused)), both, "", []string{"list dead letters: 127.0.0.1:8123: connection refused", "Is ClickHouse running at 127.0.0.1:8123?", "--env-file data/services.env", "CLICKHOUSE_DSN"}},
		{"with a file", post(refused), both, "data/services.env", []string{"Is ClickHouse running", "data/services.env says where it was"}},
		{"Kafka is away", fmt.Errorf("kafka: kafka.(*Client).Metadata: %w", &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9092}, Err: syscall.ECONNREFUSED}), both, "", []string{"kafka: 127.0.0.1:9092: connection refused", "Is Kafka running at kafka:9092?", "KAFKA_BROKERS"}},
		{"of clickhouse-go", errors.New("list dead letters: failed to query server hello: failed to query server hello info: sendQuery: [HTTP 403] code: 516, message: default: Authentication failed"), both, "", []string{"list dead letters: default: Authentication failed"}},
		{"a name", errors.New("kafka: list brokers: dial tcp: lookup nowhere.invalid on 10.255.255.53:53: no such host"), both, "", []string{"kafka: list brokers: nowhere.invalid: no such host"}},
		{"a connection", errors.New("kafka: list brokers: read tcp 127.0.0.1:48420->127.0.0.1:8123: i/o timeout"), both, "", []string{"kafka: list brokers: 127.0.0.1:8123: i/o timeout"}},
		{"no such host", fmt.Errorf("x: %w", &net.DNSError{Err: "no such host", Name: "kafka"}), both, "", []string{"no such host", "Is Kafka running"}},
		{"too late", fmt.Errorf("ask the query service: %w", context.DeadlineExceeded), query, "", []string{"Is the query service running at 127.0.0.1:50809?"}},
		{"cut off", fmt.Errorf("kafka: %w", io.EOF), both, "", []string{"It closed the connection", "a login or TLS"}},
		{"wrong password", fmt.Errorf("migrate: %w", &clickhouse.Exception{Code: 516, Message: "default: Authentication failed\n\nIf you have installed ClickHouse …"}), both, "", []string{"Authentication failed", "Check CLICKHOUSE_DSN and CLICKHOUSE_PASSWORD"}},
		{"no tables", &clickhouse.Exception{Code: 60, Message: "no table"}, both, "", []string{"activityctl migrate"}},
		{"wrong login", fmt.Errorf("kafka: %w", kafkago.SASLAuthenticationFailed), both, "", []string{"Check KAFKA_SASL"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := explain(tt.err, tt.places, tt.file)
			if !errors.Is(err, tt.err) {
				t.Errorf("got %v, which does not wrap its cause", err)
			}
			for _, want := range tt.has {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			for _, never := range []string{"hunter2", "***", "(*", "Post", "If you have installed", "dial tcp", "hello", "sendQuery", "10.255"} {
				if strings.Contains(err.Error(), never) {
					t.Errorf("got %v, want no %q in it", err, never)
				}
			}
		})
	}
	for _, err := range []error{nil, context.Canceled, errors.New("plain")} {
		if got := explain(err, both, ""); fmt.Sprint(got) != fmt.Sprint(err) {
			t.Errorf("got %v, want %v", got, err)
		}
	}
	for _, err := range []error{
		&fs.PathError{Op: "open", Path: "no/e.part", Err: syscall.ENOENT}, &fs.PathError{Op: "write", Path: "e.part", Err: syscall.ENOSPC},
		&os.LinkError{Op: "rename", Old: "e.part", New: "e", Err: syscall.EACCES},
	} {
		if got := explain(fmt.Errorf("export: %w", err), query, ""); strings.Contains(got.Error(), "running") {
			t.Errorf("got %v: an error of a file is not a connection error", got)
		}
	}
	if got := explain(fmt.Errorf("x: %w", kafkago.TopicAuthorizationFailed), both, ""); strings.Contains(got.Error(), "running") {
		t.Errorf("got %v: an answer of Kafka is not a connection error", got)
	}
}
