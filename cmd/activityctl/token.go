package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/activitylog/activitylog/cmd/internal/identity"
	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/schema"
)

type token struct {
	Signing identity.Signing `embed:"" prefix:"jwt-"`
	Tenant  string           `help:"Tenant of the token; * for all tenants, with the role ADMIN."`
	Sub     string           `help:"Subject of the token (sub)."`
	Role    []string         `help:"Roles: ADMIN (everything), TenantAdmin (writes, reads and deletes in its tenant), AccessAdmin (reads fleet, access and things), Analyst (reads and exports everything). Another one may write and read fleet and access; it needs --force."`
	Force   bool             `help:"Take roles that mean nothing here, as your identity provider may give them."`
	Scope   []string         `help:"Scopes: ingest, read, delete, admin; without any, those of the roles." enum:"ingest,read,delete,admin"`
	TTL     time.Duration    `help:"Lifetime of the token."`
	JSON    bool             `name:"json" help:"Print one JSON object that includes the token."`
}

func (c *token) defaults() { c.Tenant, c.Sub, c.TTL = schema.DefaultTenant, "developer", time.Hour }

func (c *token) validate() error {
	faults := []error{c.Signing.Validate(), checkTenant(c.Tenant, c.Role)}
	if _, err := knownRoles(c.Role); err != nil && !c.Force {
		faults = append(faults, fmt.Errorf("%w; any other role may write, and read fleet and access only: --force makes a token with it", err))
	}
	if c.TTL < time.Second {
		faults = append(faults, errors.New("--ttl: must be 1s or more"))
	}
	return errors.Join(faults...)
}

func (c *token) run(_ context.Context, out term.Output) error {
	expires := time.Now().Add(c.TTL).UTC().Truncate(time.Second)
	text, err := c.Signing.Mint(schema.Principal{Tenant: c.Tenant, Subject: c.Sub, Roles: c.Role, Scopes: scopes(c.Scope)}, c.TTL)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(out).Encode(struct {
			Tenant  string    `json:"tenant"`
			Subject string    `json:"sub"`
			Expires time.Time `json:"expires"`
			Token   string    `json:"token"`
		}{c.Tenant, c.Sub, expires, text})
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

func scopes(names []string) []schema.Scope {
	all := make([]schema.Scope, len(names))
	for i, name := range names {
		all[i] = schema.Scope(name)
	}
	return all
}

// checkTenant returns what is wrong with the tenant of a credential.
func checkTenant(tenant string, roles []string) error {
	if tenant == "" {
		return errors.New("--tenant: must not be empty")
	}
	if err := schema.CheckText("--tenant", tenant, schema.MaxNameBytes); err != nil {
		return err
	}
	_, err := schema.Principal{Tenant: tenant, Roles: roles}.In("")
	if err != nil {
		return fmt.Errorf("--tenant: %w", err)
	}
	return nil
}
