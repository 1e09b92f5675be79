// Package kafka holds the settings by which a process reaches Kafka, and sees to its topics.
package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"github.com/activitylog/activitylog/cmd/internal/service"
)

// Config say where Kafka is and how to log in to it.
type Config struct {
	Brokers  []string       `name:"kafka-brokers" help:"Kafka's bootstrap servers, host:port, separated by commas." env:"KAFKA_BROKERS"`
	Topic    string         `name:"kafka-topic" help:"Topic of the entries; the others are named after it." env:"KAFKA_TOPIC"`
	SASL     string         `name:"kafka-sasl" help:"How to log in: none, plain, scram-sha-256 or scram-sha-512." oneof:"none,plain,scram-sha-256,scram-sha-512" env:"KAFKA_SASL"`
	Username string         `name:"kafka-username" help:"User to log in as." env:"KAFKA_USERNAME"`
	Password service.Secret `name:"kafka-password" help:"Password to log in with." env:"KAFKA_PASSWORD"`
	TLS      bool           `name:"kafka-tls" help:"Connect with TLS 1.2 or later; certificates are verified." env:"KAFKA_TLS"`
	CA       string         `name:"kafka-tls-ca" help:"PEM file of the authorities to trust, in place of the system's." placeholder:"FILE" env:"KAFKA_TLS_CA"`
	Cert     string         `name:"kafka-tls-cert" help:"PEM file of the client's certificate." placeholder:"FILE" env:"KAFKA_TLS_CERT"`
	Key      string         `name:"kafka-tls-key" help:"PEM file of the client certificate's key." placeholder:"FILE" env:"KAFKA_TLS_KEY"`
}

// Defaults is a broker on this machine, without a login.
func (s *Config) Defaults() {
	s.Brokers, s.Topic, s.SASL = []string{"127.0.0.1:9092"}, "activity", "none"
}

// Validate says what is wrong with s.
func (s Config) Validate() error {
	var faults []error
	for _, b := range s.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			faults = append(faults, fmt.Errorf("KAFKA_BROKERS: want host:port: %w", err))
		}
	}
	if len(s.Brokers) == 0 {
		faults = append(faults, errors.New("KAFKA_BROKERS: is required"))
	}
	faults = append(faults, checkTopic(s.Topic))
	if (s.SASL == "none") != (s.Username == "") {
		faults = append(faults, errors.New("KAFKA_SASL and KAFKA_USERNAME: want both or neither"))
	}
	if !s.TLS && (s.CA != "" || s.Cert != "" || s.Key != "") {
		faults = append(faults, errors.New("KAFKA_TLS: must be true where KAFKA_TLS_CA, KAFKA_TLS_CERT or KAFKA_TLS_KEY is set"))
	}
	_, err := s.tls()
	return errors.Join(append(faults, err)...)
}

// checkTopic holds name to Kafka's rule for topics (org.apache.kafka.common.internals.Topic), less what ".actions" needs.
func checkTopic(name string) error {
	if name == "" || len(name) > 240 {
		return errors.New("KAFKA_TOPIC: want 1 to 240 characters")
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return fmt.Errorf("KAFKA_TOPIC: letters, digits, '.', '_' and '-' only, but it is %q", name)
		}
	}
	return nil
}

// Client is a client of the brokers. Config that passed Validate give one.
func (s Config) Client() (*kafka.Client, error) {
	secure, err := s.tls()
	if err != nil {
		return nil, err
	}
	login, err := s.mechanism()
	if err != nil {
		return nil, err
	}
	const dialTime = time.Second // a broker that has gone is left for the next one at once
	return &kafka.Client{
		Addr: kafka.TCP(s.Brokers...),
		Transport: &kafka.Transport{
			Dial:        (&net.Dialer{Timeout: dialTime, KeepAlive: 15 * time.Second}).DialContext,
			DialTimeout: dialTime,
			MetadataTTL: time.Second, // so long may a partition's new leader go unnoticed
			IdleTimeout: time.Minute,
			ClientID:    "activitylog",
			SASL:        login,
			TLS:         secure,
		},
	}, nil
}

func (s Config) mechanism() (sasl.Mechanism, error) {
	switch s.SASL {
	case "plain":
		return plain.Mechanism{Username: s.Username, Password: s.Password.Reveal()}, nil
	case "scram-sha-256":
		return scram.Mechanism(scram.SHA256, s.Username, s.Password.Reveal())
	case "scram-sha-512":
		return scram.Mechanism(scram.SHA512, s.Username, s.Password.Reveal())
	}
	return nil, nil
}

func (s Config) tls() (*tls.Config, error) {
	if !s.TLS {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fmt.Errorf("KAFKA_TLS_CA: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("KAFKA_TLS_CA: no certificate in %s", s.CA)
		}
	}
	if s.Cert != "" || s.Key != "" {
		pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
		if err != nil {
			return nil, fmt.Errorf("KAFKA_TLS_CERT, KAFKA_TLS_KEY: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
