package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/schema/api/client"
)

// asking has the address of the query service and a credential for it.
type asking struct {
	URL   string         `name:"url" help:"URL of the query service." env:"QUERY_URL"`
	Token service.Secret `help:"API key or token for the query service." env:"QUERY_TOKEN"`
}

func (a *asking) defaults() { a.URL = "http://127.0.0.1:50809" }

func (a asking) validate() error {
	u, err := url.Parse(a.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("QUERY_URL: want http://host:port or https://host")
	}
	return nil
}

func (a asking) client() (*client.Client, error) {
	return client.NewClient(a.URL, client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		if a.Token != "" {
			r.Header.Set("Authorization", "Bearer "+a.Token.Reveal())
		}
		return nil
	}))
}

// errRefused means that a retry would be refused again.
var errRefused = errors.New("the query service refused the request")

// granted returns a response with status 200, or the reason why there is none.
func granted(res *http.Response, err error) (*http.Response, error) {
	if err != nil {
		return nil, fmt.Errorf("ask the query service: %w", err)
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	var refusal client.AuditError
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil || json.Unmarshal(text, &refusal) != nil || refusal.Message == "" {
		if res.StatusCode >= http.StatusInternalServerError { // of a proxy, while the service restarts
			return nil, fmt.Errorf("the query service answered %s", res.Status)
		}
		return nil, fmt.Errorf("%w: it answered %s, but not as the query service does: check QUERY_URL", errRefused, res.Status)
	}
	says := fmt.Sprintf("%d, request %s: %s", res.StatusCode, refusal.Meta.RequestId, refusal.Message)
	if res.StatusCode >= http.StatusInternalServerError || res.StatusCode == http.StatusTooManyRequests {
		return nil, fmt.Errorf("the query service is unavailable: %s", says)
	}
	if res.StatusCode == http.StatusUnauthorized {
		says += "\n  Set QUERY_TOKEN to an API key or a token: activityctl key create and activityctl token make them."
	}
	return nil, fmt.Errorf("%w: %s", errRefused, says)
}

// matching has the filters of a command.
type matching struct {
	User       string `help:"Id of the actor."`
	Username   string `help:"Name of the actor."`
	Action     string `help:"Name of the action."`
	TargetType string `help:"Type of the target."`
	TargetID   string `name:"target-id" help:"Id of the target."`
	Platform   string `help:"Platform of the device."`
	Serial     string `help:"Serial number of the device."`
	RequestID  string `name:"request-id" help:"Id of the request."`
	Search     string `help:"Words of the text, or the id of a request."`
	Start      string `help:"Start of the time range, ISO 8601."`
	End        string `help:"End of the time range, inclusive, ISO 8601; a date means its whole day."`
	Tenant     string `help:"Tenant to act in, for the administrator of all tenants."`
}

// given returns the value of a parameter, nil if it is empty.
func given[T ~string](s T) *T {
	if s == "" {
		return nil
	}
	return &s
}
