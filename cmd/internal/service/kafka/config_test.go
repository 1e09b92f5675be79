package kafka

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string // in the fault; none when empty
	}{
		"default":             {func(*Config) {}, ""},
		"password":            {func(s *Config) { s.SASL, s.Username, s.Password = "plain", "u", "p" }, ""},
		"scram":               {func(s *Config) { s.SASL, s.Username, s.Password = "scram-sha-512", "u", "p" }, ""},
		"user without SASL":   {func(s *Config) { s.Username = "u" }, "KAFKA_SASL"},
		"SASL without user":   {func(s *Config) { s.SASL = "plain" }, "KAFKA_USERNAME"},
		"broker without port": {func(s *Config) { s.Brokers = []string{"kafka"} }, "KAFKA_BROKERS"},
		"no broker":           {func(s *Config) { s.Brokers = nil }, "KAFKA_BROKERS"},
		"topic":               {func(s *Config) { s.Topic = "a b" }, "KAFKA_TOPIC"},
		"authority, no TLS":   {func(s *Config) { s.CA = "ca.pem" }, "KAFKA_TLS"},
		"no such authority":   {func(s *Config) { s.TLS, s.CA = true, "/nonexistent" }, "KAFKA_TLS_CA"},
		"key, no certificate": {func(s *Config) { s.TLS, s.Key = true, "/nonexistent" }, "KAFKA_TLS_CERT"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Config{Brokers: []string{"kafka:9092"}, Topic: "activity", SASL: "none"}
			tt.change(&s)
			err := s.Validate()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if err != nil {
				return
			}
			if _, err := s.Client(); err != nil {
				t.Errorf("Client: %v", err)
			}
		})
	}
}
