package kafka

import (
	"testing"
	"time"
)

func TestThreeReplicasWantTwoAcknowledgements(t *testing.T) {
	for replicas, want := range map[int]string{1: "", 3: "2"} {
		got := ""
		for _, e := range (Spec{Retention: time.Hour}).entries(replicas) {
			if e.ConfigName == "min.insync.replicas" {
				got = e.ConfigValue
			}
		}
		if got != want {
			t.Errorf("%d replicas: got min.insync.replicas %q, want %q", replicas, got, want)
		}
	}
}
