package collector_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Every rig is stopped by its test; what may remain is kafka-go closing its idle connections.
	goleak.VerifyTestMain(m)
}
