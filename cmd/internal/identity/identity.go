// Package identity authenticates requests, the same way in every service. It promises: a request has a principal only if a checked
// credential proves it; this package never answers a request, because the handler that calls PrincipalOf gets the reason and formats
// the refusal for its dialect; no secret appears in a log, an error or a metric.
package identity

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/cmd/internal/identity/apikey"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/schema"
)

// Identity authenticates requests.
type Identity struct {
	anonymous bool
	tokens    *tokens     // nil unless AUTH lists jwt
	keys      *apikey.Set // nil unless AUTH lists keys
	origins   origins
	metrics   *metrics
}

// New returns an Identity for a valid Config. Keys that have to be fetched arrive while Run runs.
func New(s Config, keys apikey.Topic, log *slog.Logger, reg prometheus.Registerer) *Identity {
	i := &Identity{anonymous: s.Auth == "none", origins: origins{hosts: s.AllowedHosts, pages: s.CORSOrigins}, metrics: newMetrics(reg)}
	if s.takes("jwt") {
		i.tokens = newTokens(s.JWT, log)
	}
	if s.takes("keys") {
		i.keys = apikey.NewSet(keys, log, i.metrics.keysSeen)
	}
	return i
}

// Part returns i as a part of a process.
func (i *Identity) Part() service.Part {
	return service.Part{Name: "auth", Run: i.Run, Ready: i.Ready}
}

// Run follows the topic of API keys and the published keys of tokens until ctx ends.
func (i *Identity) Run(ctx context.Context) error {
	var all sync.WaitGroup
	if i.tokens != nil && i.tokens.set != nil {
		all.Go(func() { i.tokens.set.run(ctx) })
	}
	if i.keys != nil {
		all.Go(func() { i.keys.Run(ctx) })
	}
	<-ctx.Done()
	all.Wait()
	return nil
}

// Ready returns nil if every kind of credential can be checked, otherwise the reason why not.
func (i *Identity) Ready(context.Context) error {
	var tokens, keys error
	if i.tokens != nil && i.tokens.set != nil {
		tokens = i.tokens.set.ready()
	}
	if i.keys != nil {
		keys = i.keys.Ready()
	}
	return errors.Join(tokens, keys)
}

// Middleware gives each request its principal, or the reason why it has none. It never answers a request.
func (i *Identity) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, p, err := i.principal(r)
		if err == nil {
			err = i.trusts(r, c)
		}
		if err == nil {
			p, err = inTenant(p, r.URL)
		}
		i.metrics.count(c.kind, err)
		ctx := schema.WithPrincipal(r.Context(), p)
		if err != nil {
			ctx = schema.WithRefusal(r.Context(), err)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (i *Identity) principal(r *http.Request) (credential, schema.Principal, error) {
	if i.anonymous {
		return credential{}, schema.Anonymous(), nil
	}
	c, err := credentialOf(r)
	if err != nil {
		return c, schema.Principal{}, err
	}
	switch {
	case c.kind == isToken && i.tokens != nil:
		p, err := i.tokens.principal(r.Context(), c.text)
		return c, p, err
	case c.kind == isKey && i.keys != nil:
		p, err := i.ofKey(c.text)
		return c, p, err
	case c.kind == noCredential:
		return c, schema.Principal{}, errMissing
	}
	return c, schema.Principal{}, errKind
}

var (
	errMissing = &schema.Refusal{Kind: schema.ErrUnauthenticated, Issue: "credentials are missing"}
	errKind    = invalid("credentials of this kind are not accepted here")
)

// invalid returns the refusal of bad credentials.
func invalid(issue string) *schema.Refusal {
	return &schema.Refusal{Kind: schema.ErrUnauthenticated, Issue: issue, Invalid: true}
}

// inTenant returns p in the tenant that the parameter tenant names, if there is one.
func inTenant(p schema.Principal, u *url.URL) (schema.Principal, error) {
	if u.RawQuery == "" {
		return p.In("")
	}
	var named []string
	for name, values := range u.Query() {
		if strings.EqualFold(name, "tenant") { // in the things dialect parameter names are case-insensitive
			named = append(named, values...)
		}
	}
	named = slices.DeleteFunc(named, func(v string) bool { return v == "" }) // an empty value is not a filter in any dialect
	if len(named) == 0 {
		return p.In("")
	}
	if slices.ContainsFunc(named, func(v string) bool { return v != named[0] }) {
		return p, &schema.FieldError{Field: "tenant", Code: "CONFLICT", Issue: "names more than one"}
	}
	return p.In(named[0])
}

// outcomeOf returns the value of the metric label outcome for err.
func outcomeOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, errMissing):
		return "missing"
	case errors.Is(err, errExpired), errors.Is(err, errKeyExpired):
		return "expired"
	case errors.Is(err, schema.ErrForbidden), errors.Is(err, schema.ErrMisdirected):
		return "forbidden"
	case errors.Is(err, schema.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, schema.ErrRateLimited):
		return "limited"
	}
	return "invalid"
}
