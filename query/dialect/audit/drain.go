package audit

import (
	"context"
	"net/http"

	"github.com/activitylog/activitylog/schema/api"
)

// drained returns r's context, which also ends when the server begins to shut down. The caller must call cancel.
func drained(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-api.Draining(ctx):
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); <-ended }
}
