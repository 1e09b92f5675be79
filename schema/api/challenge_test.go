package api

import (
	"errors"
	"net/http"
	"testing"

	"github.com/activitylog/activitylog/schema"
)

func TestChallenge(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{schema.ErrUnauthenticated, "Bearer"},
		{&schema.Refusal{Kind: schema.ErrUnauthenticated, Issue: "missing"}, "Bearer"},
		{&schema.Refusal{Kind: schema.ErrUnauthenticated, Issue: "it \"ex\\pired\"\r\nX: 1é", Invalid: true}, `Bearer error="invalid_token", error_description="it expiredX: 1"`},
		{&schema.Refusal{Kind: schema.ErrForbidden, Issue: "no", Invalid: true}, ""},
		{errors.New("x"), ""},
	} {
		h := http.Header{}
		Challenge(h, tt.err)
		if got := h.Get("WWW-Authenticate"); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.err, got, tt.want)
		}
	}
}
