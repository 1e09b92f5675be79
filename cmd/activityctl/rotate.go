package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/activitylog/activitylog/cmd/internal/identity/apikey"
	"github.com/activitylog/activitylog/cmd/internal/service/kafka"
	"github.com/activitylog/activitylog/cmd/internal/term"
)

type rotateKey struct {
	Kafka   kafka.Config  `embed:""`
	ID      string        `arg:"" help:"Id of the key, as key list shows it."`
	Overlap time.Duration `help:"How long the old key stays valid; 0s: not at all."`
	JSON    bool          `name:"json" help:"Print one JSON object that includes the new key."`
}

func (c *rotateKey) defaults() {
	c.Kafka.Defaults()
	c.Overlap = 24 * time.Hour
}

func (c *rotateKey) validate() error {
	err := c.Kafka.Validate()
	if c.Overlap < 0 {
		err = errors.Join(err, errors.New("--overlap: must not be negative"))
	}
	return err
}

// run shows the new key before it changes the old one: if it breaks off in between, the old key still works.
func (c *rotateKey) run(ctx context.Context, out term.Output) error {
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	topic, err := keysOf(c.Kafka)
	if err != nil {
		return err
	}
	old, err := find(ctx, topic, c.ID)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	if status := old.Status(now); status != "active" {
		return fmt.Errorf("key %s is %s: create a new one", old.ID, status)
	}
	k, text := apikey.New(successor(old, now))
	if err := topic.Put(ctx, k); err != nil {
		return hint(err)
	}
	if err := reveal(out, c.JSON, k, text); err != nil {
		return err
	}
	if err := topic.Put(ctx, retired(old, now, c.Overlap)); err != nil {
		return fmt.Errorf("key %s stays valid, revoke it: %w", old.ID, hint(err))
	}
	return nil
}

// successor returns a new key with the rights and the lifetime of a key.
func successor(old apikey.Key, now time.Time) apikey.Key {
	k := apikey.Key{Name: old.Name, Tenant: old.Tenant, Roles: old.Roles, Scopes: old.Scopes, Rate: old.Rate, Created: now}
	if !old.Expires.IsZero() {
		k.Expires = now.Add(old.Expires.Sub(old.Created))
	}
	return k
}

// retired returns the key with its end after the overlap, unless it ends earlier anyway.
func retired(old apikey.Key, now time.Time, overlap time.Duration) apikey.Key {
	end := now.Add(overlap)
	switch {
	case overlap == 0:
		old.Revoked = now
	case old.Expires.IsZero() || end.Before(old.Expires):
		old.Expires = end
	}
	return old
}
