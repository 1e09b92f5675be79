package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/schema/api/client"
)

// asking has the address of the query service and a credential for it.
type asking struct {
	URL   string         `name:"url" help:"URL of the query service." env:"QUERY_URL"`
	Token service.Secret `help:"API key or token for the query service." env:"QUERY_TOKEN"`
}

func (a *asking) defaults() { a.URL = "http://127.0.0.1:50809" }

func (a asking) validate() error { return checkURL("QUERY_URL", a.URL) }

func checkURL(name, text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New(name + ": want http://host:port or https://host")
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
	says := fmt.Sprintf("%d, request %s: %s", res.StatusCode, refusal.Meta.RequestId, inFlags(&refusal))
	if res.StatusCode >= http.StatusInternalServerError || res.StatusCode == http.StatusTooManyRequests {
		return nil, fmt.Errorf("the query service is unavailable: %s", says)
	}
	if res.StatusCode == http.StatusUnauthorized {
		says += "\n  Set QUERY_TOKEN to an API key or a token: activityctl key create and activityctl token make them."
	}
	return nil, fmt.Errorf("%w: %s", errRefused, says)
}

// maxAnswer bounds an answer that is read as a whole: a page has 64 MiB of text at most, and JSON may escape it to more.
const maxAnswer = 512 << 20

// decode reads the answer of the query service.
func decode(res *http.Response, into any) error {
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("read the answer of the query service: %w", err)
	}
	return nil
}

// flagNames are the flags of the parameters that have another name.
var flagNames = map[string]string{
	"userId": "user", "targetType": "target-type", "targetId": "target-id", "requestId": "request-id", "startDate": "start", "endDate": "end",
	"Last-Event-ID": "after", "lastEventId": "after", "groupBy": "by", "pageSize": "limit",
}

// inFlags is the message of a refusal, with the names of flags: people who call this command know no parameters.
func inFlags(refusal *client.AuditError) string {
	var faults []string
	for _, d := range refusal.Meta.Details {
		if d.Field == "" || d.Issue == "" {
			return refusal.Message
		}
		faults = append(faults, "--"+cmp.Or(flagNames[d.Field], d.Field)+": "+d.Issue)
	}
	return cmp.Or(strings.Join(faults, "; "), refusal.Message)
}

// matching is the filters of a command. One that is not given is nil.
type matching struct {
	User       *string `help:"Id of the actor."`
	Username   *string `help:"Name of the actor."`
	Action     *string `help:"Name of the action."`
	TargetType *string `help:"Type of the target."`
	TargetID   *string `name:"target-id" help:"Id of the target."`
	Platform   *string `help:"Platform of the device."`
	Serial     *string `help:"Serial number of the device."`
	RequestID  *string `name:"request-id" help:"Id of the request."`
	Search     *string `help:"Words of the text, or the id of a request."`
	Start      *string `help:"Start of the time range, ISO 8601."`
	End        *string `help:"End of the time range, inclusive, ISO 8601; a date means its whole day."`
	Tenant     *string `help:"Tenant to act in, for the administrator of all tenants."`
}

// validate refuses empty values: in a script, a variable that is not set would match every entry.
func (m *matching) validate() error {
	var faults []error
	for _, f := range []struct {
		name  string
		value *string
	}{
		{"user", m.User},
		{"username", m.Username},
		{"action", m.Action},
		{"target-type", m.TargetType},
		{"target-id", m.TargetID},
		{"platform", m.Platform},
		{"serial", m.Serial},
		{"request-id", m.RequestID},
		{"search", m.Search},
		{"start", m.Start},
		{"end", m.End},
		{"tenant", m.Tenant},
	} {
		faults = append(faults, notEmpty(f.name, f.value))
	}
	return errors.Join(faults...)
}

// notEmpty returns what is wrong with the value of a flag that was given without one.
func notEmpty(name string, value *string) error {
	if value != nil && strings.TrimSpace(*value) == "" {
		return fmt.Errorf("--%s: must not be empty; leave it out to match everything", name)
	}
	return nil
}
