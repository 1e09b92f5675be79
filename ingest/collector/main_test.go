package collector_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Every test stops its collector.
	goleak.VerifyTestMain(m)
}
