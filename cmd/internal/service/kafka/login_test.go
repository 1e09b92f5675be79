//go:build kafka

package kafka

import (
	"errors"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/deploy/embedded/testbed"
)

// Every login mechanism accepts the right user with the right password, and nobody else.
func TestLogin(t *testing.T) {
	b := testbed.Kafka(t, 1)
	_, user, password := b.Login()
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		for _, tt := range []struct {
			name, user, password string
			want                 error
		}{
			{"right", user, password, nil},
			{"wrong password", user, password + "x", kafka.SASLAuthenticationFailed},
			{"no password", user, "", kafka.SASLAuthenticationFailed},
			{"unknown user", "nobody", password, kafka.SASLAuthenticationFailed},
		} {
			t.Run(mechanism+" "+tt.name, func(t *testing.T) {
				s := Config{
					Brokers: []string{b.Addr()}, Topic: b.Topic(), SASL: mechanism, Username: tt.user, Password: service.Secret(tt.password),
				}
				if err := s.Validate(); err != nil {
					t.Fatal(err)
				}
				client, err := s.Client()
				if err != nil {
					t.Fatal(err)
				}
				defer client.Transport.(*kafka.Transport).CloseIdleConnections()
				if err := Ensure(t.Context(), s, Creation{}, client); !errors.Is(err, tt.want) {
					t.Errorf("topics: got %v, want %v", err, tt.want)
				}
				if err := produce(t, client, b.Topic()); (err == nil) != (tt.want == nil) {
					t.Errorf("a record: got %v, want %v", err, tt.want)
				}
			})
		}
	}
}

func produce(t *testing.T, client *kafka.Client, topic string) error {
	t.Helper()
	res, err := client.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: topic, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte("x"))}),
	})
	if err != nil {
		return err
	}
	return res.Error
}
