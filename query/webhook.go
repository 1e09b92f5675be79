package query

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

// Cleaned is what a webhook is told of a cleanup, as JSON.
type Cleaned struct {
	Tenant       string    `json:"tenant"`
	Days         int       `json:"days"`         // that entries are kept after the day of their receipt
	DeletedCount uint64    `json:"deletedCount"` // of one that was asked for, those that were visible
	Before       string    `json:"before"`       // YYYY-MM-DD, UTC: what was received before this day has gone
	At           time.Time `json:"at"`
}

// Webhook says who is told of cleanups.
type Webhook struct {
	URL    string // https, or http of a loopback address; empty: nobody
	Secret string // sent as a bearer token, if there is one
}

// Bounds of telling of a cleanup.
const (
	hookTimeout = 5 * time.Second // one try
	hookMax     = 2 * time.Minute // all tries
	hookQueue   = 100             // that wait to be told
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
		return errors.New("the cleanup webhook must be https unless it is on this host: it carries a secret and tells of tenants")
	}
	return nil
}

// hook tells a webhook of cleanups, one after the other, without anybody waiting for it.
type hook struct {
	cfg     Webhook
	client  *http.Client
	queue   chan Cleaned
	log     *slog.Logger
	metrics *metrics
	pause   time.Duration // before the second try
}

func newHook(cfg Webhook, log *slog.Logger, m *metrics) *hook {
	return &hook{
		cfg: cfg, queue: make(chan Cleaned, hookQueue), log: log, metrics: m, pause: time.Second,
		client: &http.Client{Timeout: hookTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// send queues c, if there is a webhook and room.
func (h *hook) send(c Cleaned) {
	if h.cfg.URL == "" {
		return
	}
	select {
	case h.queue <- c:
	default:
		h.failed(c, errors.New("too many wait"))
	}
}

// run tells of what is queued until ctx ends.
func (h *hook) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-h.queue:
			if err := h.tell(ctx, c); err != nil {
				h.failed(c, err)
			} else {
				h.metrics.webhooks.WithLabelValues("ok").Inc()
			}
		}
	}
}

func (h *hook) failed(c Cleaned, err error) {
	h.metrics.webhooks.WithLabelValues("failed").Inc()
	h.log.Warn("webhook not told of a cleanup", slog.String("tenant", c.Tenant), slog.Any("error", err))
}

// tell tries until there is an answer that repeating will not change, or hookMax is over.
func (h *hook) tell(ctx context.Context, c Cleaned) error {
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
			err = u.Err // without the address, which may hold a secret as well
		}
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	switch {
	case res.StatusCode < 300:
		return nil
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusRequestTimeout:
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return backoff.Permanent(fmt.Errorf("status %d", res.StatusCode))
}
