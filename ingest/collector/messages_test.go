package collector

import (
	"errors"
	"testing"
)

func TestRefusalShowsNoInternals(t *testing.T) {
	const want = `{"success":false,"message":"internal error","meta":{"requestId":"r","details":[]}}`
	if got := string(refusal("r", messageOf(errors.New("dial 10.0.0.1: secret")), detailsOf(nil, errors.New("dial 10.0.0.1: secret")))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
