package retain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/activitylog/activitylog/schema"
)

// Cleaned is the JSON body that a webhook gets after a cleanup.
type Cleaned struct {
	Tenant       string    `json:"tenant"`
	Days         int       `json:"days"`         // for which entries are kept after the day of their receipt
	DeletedCount uint64    `json:"deletedCount"` // of a cleanup that was asked for: those that were visible
	Before       string    `json:"before"`       // YYYY-MM-DD, UTC: what was received before this day was erased
	At           time.Time `json:"at"`
}

// Webhook says who is notified of cleanups.
type Webhook struct {
	URL    string // https, or http on a loopback address; empty: no webhook
	Secret string // sent as a bearer token, if there is one
}

// Bounds of a notification.
const (
	hookTimeout = 5 * time.Second // one try
	hookMax     = 2 * time.Minute // all tries
	hookQueue   = 100             // notifications that wait
	hookDrain   = 3 * time.Second // all that still wait when the process stops, which has 9 s for everything
)

func (w Webhook) validate() error {
	if w.URL == "" {
		return nil
	}
	u, err := url.Parse(w.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil:
		return errors.New("the cleanup webhook must be a URL of https or http, without a user")
	case u.Scheme == "http" && !schema.IsLoopback(u.Hostname()):
		return errors.New("the cleanup webhook must be https unless it is on this host: it carries a secret and the names of tenants")
	}
	return nil
}

// hook notifies a webhook of cleanups, one after the other. Nobody waits for it.
type hook struct {
	cfg     Webhook
	client  *http.Client
	queue   chan Cleaned
	log     *slog.Logger
	metrics *metrics
	pause   time.Duration // before the second try
	drain   time.Duration // how long notifications may take once run's context has ended
}

func newHook(cfg Webhook, log *slog.Logger, m *metrics) *hook {
	return &hook{
		cfg: cfg, queue: make(chan Cleaned, hookQueue), log: log, metrics: m, pause: time.Second, drain: hookDrain,
		client: &http.Client{Timeout: hookTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// send queues c if there is a webhook. A notification beyond the queue counts as failed.
func (h *hook) send(c Cleaned) {
	if h.cfg.URL == "" {
		return
	}
	select {
	case h.queue <- c:
	default:
		h.failed(c, errors.New("too many notifications wait"))
	}
}

// run sends what is queued until ctx ends, and then what still waits, for as long as it may. A notification that cannot be sent by
// then counts as failed.
func (h *hook) run(ctx context.Context) {
	sending, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		select {
		case <-sending.Done():
		case <-time.After(h.drain):
			cancel(errors.New("the process is stopping"))
		}
	})()
	for {
		select {
		case c := <-h.queue:
			h.deliver(sending, c)
			continue
		default:
		}
		select {
		case <-ctx.Done():
			return
		case c := <-h.queue:
			h.deliver(sending, c)
		}
	}
}

func (h *hook) deliver(ctx context.Context, c Cleaned) {
	if err := h.notify(ctx, c); err != nil {
		h.failed(c, err)
		return
	}
	h.metrics.webhooks.WithLabelValues("ok").Inc()
}

func (h *hook) failed(c Cleaned, err error) {
	h.metrics.webhooks.WithLabelValues("failed").Inc()
	h.log.Warn("webhook failed", slog.String("tenant", c.Tenant), slog.Any("error", err))
}

// notify tries until the answer is final, for hookMax at most.
func (h *hook) notify(ctx context.Context, c Cleaned) error {
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("write a cleanup as JSON: %w", err)
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = h.pause
	_, err = backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, h.post(ctx, body) },
		backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(hookMax))
	return err
}

func (h *hook) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(fmt.Errorf("make a request: %w", err))
	}
	req.Header.Set("Content-Type", "application/json")
	if h.cfg.Secret != "" {
		req.Header.Set("Authorization", "Bearer "+h.cfg.Secret)
	}
	res, err := h.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL, which may contain a secret too
		}
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be reused
	switch {
	case res.StatusCode < 300:
		return nil
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusRequestTimeout:
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return backoff.Permanent(fmt.Errorf("status %d", res.StatusCode))
}
