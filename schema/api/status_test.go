package api

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/activitylog/activitylog/schema"
)

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{schema.ErrInvalid, 400},
		{schema.Missing("action"), 400},
		{fmt.Errorf("decode: %w", schema.TooLong("detail", 2, 1)), 413},
		{fmt.Errorf("publish: %w", &schema.RetryError{After: time.Second, Err: schema.ErrUnavailable}), 503},
		{schema.ErrStorageFull, 507},
		{schema.ErrConflict, 422},
		{schema.ErrTimeout, 504},
		{errors.New("anything else"), 500},
	} {
		if got := Status(c.err); got != c.want {
			t.Errorf("Status(%v) = %d, want %d", c.err, got, c.want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		err  error
		want time.Duration
	}{
		{fmt.Errorf("x: %w", &schema.RetryError{After: 1200 * time.Millisecond, Err: schema.ErrUnavailable}), 2 * time.Second},
		{schema.ErrRateLimited, time.Second},
		{schema.ErrInvalid, 0},
	} {
		if got := RetryAfter(c.err); got != c.want {
			t.Errorf("RetryAfter(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}
