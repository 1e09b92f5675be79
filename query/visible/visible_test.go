package visible

import (
	"testing"
	"time"
)

func TestFrom(t *testing.T) {
	now := time.Date(2026, 3, 1, 23, 59, 59, 0, time.FixedZone("", -3600)) // 2026-03-02 in UTC
	for _, c := range []struct {
		k    Retention
		want string
	}{
		{Retention{Days: 1}, "2026-03-01"},
		{Retention{Days: 45}, "2026-01-16"},
		{Retention{Days: 45, GoneBefore: "2026-01-10"}, "2026-01-16"},
		{Retention{Days: 45, GoneBefore: "2026-02-01"}, "2026-02-01"},
	} {
		if got := c.k.From(now); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.k, got, c.want)
		}
	}
}
