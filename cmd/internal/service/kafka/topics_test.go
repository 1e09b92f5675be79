package kafka

import (
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Missing topics are created once, and left as they are afterwards.
func TestEnsure(t *testing.T) {
	b := testbed.Kafka(t, 2)
	_, user, password := b.Login()
	s := Config{Brokers: []string{b.Addr()}, Topic: b.Topic() + ".new", SASL: "plain", Username: user, Password: service.Secret(password)}
	client, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	c := Creation{Partitions: 3, Retention: 2 * time.Hour}
	if err := Ensure(t.Context(), s, c, client); !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("without CREATE_TOPICS: got %v, want %v", err, kafka.UnknownTopicOrPartition)
	}
	c.Create = true
	for range 2 {
		if err := Ensure(t.Context(), s, c, client); err != nil {
			t.Fatal(err)
		}
		c.Partitions = 7
	}
	for topic, want := range map[string]int{s.Topic: 3, schemakafka.IDs(s.Topic): 1, schemakafka.Dead(s.Topic): 1} {
		if got, err := schemakafka.Partitions(t.Context(), client, topic); got != want || err != nil {
			t.Errorf("partitions of %s: got %d, %v, want %d", topic, got, err, want)
		}
	}
	for topic, want := range map[string]string{s.Topic: "7200000", schemakafka.IDs(s.Topic): "-1", schemakafka.Actions(s.Topic): "-1"} {
		if got := setting(t, client, topic, "retention.ms"); got != want {
			t.Errorf("retention of %s: got %s ms, want %s", topic, got, want)
		}
	}
}

func setting(t *testing.T, client *kafka.Client, topic, name string) string {
	t.Helper()
	res, err := client.DescribeConfigs(t.Context(), &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{name}}},
	})
	if err != nil || len(res.Resources) != 1 || len(res.Resources[0].ConfigEntries) != 1 {
		t.Fatalf("settings of %s: %+v, %v", topic, res, err)
	}
	return res.Resources[0].ConfigEntries[0].ConfigValue
}
