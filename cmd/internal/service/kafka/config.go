// Package kafka holds the settings to connect to Kafka, and creates topics or waits for them.
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

// Config has Kafka's addresses and credentials.
type Config struct {
	Brokers  []string       `name:"kafka-brokers" help:"Bootstrap servers of Kafka, host:port, separated by commas." env:"KAFKA_BROKERS"`
	Topic    string         `name:"kafka-topic" help:"Topic of the entries; the names of the other topics begin with it." env:"KAFKA_TOPIC"`
	SASL     string         `name:"kafka-sasl" help:"Login mechanism: none, plain, scram-sha-256 or scram-sha-512." oneof:"none,plain,scram-sha-256,scram-sha-512" env:"KAFKA_SASL"`
	Username string         `name:"kafka-username" help:"User name for the login." env:"KAFKA_USERNAME"`
	Password service.Secret `name:"kafka-password" help:"Password for the login." env:"KAFKA_PASSWORD"`
	TLS      bool           `name:"kafka-tls" help:"Connect with TLS 1.2 or later and verify certificates." env:"KAFKA_TLS"`
	CA       string         `name:"kafka-tls-ca" help:"PEM file of the trusted authorities, instead of the system's." placeholder:"FILE" env:"KAFKA_TLS_CA"`
	Cert     string         `name:"kafka-tls-cert" help:"PEM file of the client certificate." placeholder:"FILE" env:"KAFKA_TLS_CERT"`
	Key      string         `name:"kafka-tls-key" help:"PEM file of the client certificate's key." placeholder:"FILE" env:"KAFKA_TLS_KEY"`
}

// Defaults returns the settings for a broker on this machine, without a login.
func (c *Config) Defaults() {
	c.Brokers, c.Topic, c.SASL = []string{"127.0.0.1:9092"}, "activity", "none"
}

// Validate returns everything that is wrong with c.
func (c Config) Validate() error {
	var faults []error
	for _, b := range c.Brokers {
		faults = append(faults, service.CheckAddr("KAFKA_BROKERS", b))
	}
	if len(c.Brokers) == 0 {
		faults = append(faults, errors.New("KAFKA_BROKERS: is required"))
	}
	faults = append(faults, checkTopic(c.Topic))
	if (c.SASL == "none") != (c.Username == "") {
		faults = append(faults, errors.New("KAFKA_SASL and KAFKA_USERNAME: set both or neither"))
	} else if c.SASL == "none" && c.Password != "" {
		faults = append(faults, errors.New("KAFKA_PASSWORD: is set, but KAFKA_SASL is none: set KAFKA_SASL and KAFKA_USERNAME, too"))
	}
	if !c.TLS && (c.CA != "" || c.Cert != "" || c.Key != "") {
		faults = append(faults, errors.New("KAFKA_TLS: must be true if KAFKA_TLS_CA, KAFKA_TLS_CERT or KAFKA_TLS_KEY is set"))
	}
	_, err := c.tls()
	return errors.Join(append(faults, err)...)
}

// checkTopic applies Kafka's rule for topic names (org.apache.kafka.common.internals.Topic), shorter by suffixes such as ".actions".
func checkTopic(name string) error {
	if name == "" || len(name) > 240 {
		return errors.New("KAFKA_TOPIC: want 1 to 240 characters")
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-' {
			return fmt.Errorf("KAFKA_TOPIC: letters, digits, '.', '_' and '-' only, but it is %q", name)
		}
	}
	return nil
}

// Client returns a client of the brokers. It cannot fail for a valid Config.
func (c Config) Client() (*kafka.Client, error) {
	secure, err := c.tls()
	if err != nil {
		return nil, err
	}
	login, err := c.mechanism()
	if err != nil {
		return nil, err
	}
	const dialTime = time.Second // a dead broker must not delay the switch to the next one
	return &kafka.Client{
		Addr: kafka.TCP(c.Brokers...),
		Transport: &kafka.Transport{
			Dial:        (&net.Dialer{Timeout: dialTime, KeepAlive: 15 * time.Second}).DialContext,
			DialTimeout: dialTime,
			MetadataTTL: time.Second, // a new leader of a partition is noticed within this time
			IdleTimeout: time.Minute,
			ClientID:    "activitylog",
			SASL:        login,
			TLS:         secure,
		},
	}, nil
}

func (c Config) mechanism() (sasl.Mechanism, error) {
	switch c.SASL {
	case "plain":
		return plain.Mechanism{Username: c.Username, Password: c.Password.Reveal()}, nil
	case "scram-sha-256":
		return scram.Mechanism(scram.SHA256, c.Username, c.Password.Reveal())
	case "scram-sha-512":
		return scram.Mechanism(scram.SHA512, c.Username, c.Password.Reveal())
	}
	return nil, nil
}

func (c Config) tls() (*tls.Config, error) {
	if !c.TLS {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("KAFKA_TLS_CA: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("KAFKA_TLS_CA: no certificate in %s", c.CA)
		}
	}
	if c.Cert != "" || c.Key != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("KAFKA_TLS_CERT, KAFKA_TLS_KEY: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
