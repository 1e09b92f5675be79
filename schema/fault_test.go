package schema

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{ErrInvalid, 400},
		{Missing("action"), 400},
		{fmt.Errorf("decode: %w", TooLong("detail", 2, 1)), 413},
		{fmt.Errorf("publish: %w", &RetryError{After: time.Second, Err: ErrUnavailable}), 503},
		{ErrStorageFull, 507},
		{ErrConflict, 422},
		{ErrTimeout, 504},
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
		{fmt.Errorf("x: %w", &RetryError{After: 1200 * time.Millisecond, Err: ErrUnavailable}), 2 * time.Second},
		{ErrRateLimited, time.Second},
		{ErrInvalid, 0},
	} {
		if got := RetryAfter(c.err); got != c.want {
			t.Errorf("RetryAfter(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}
