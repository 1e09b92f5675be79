package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/internal/identity"
	"github.com/activitylog/activitylog/cmd/internal/identity/apikey"
	"github.com/activitylog/activitylog/cmd/internal/service/kafka"
	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// keyTime is the timeout of Kafka.
const keyTime = 20 * time.Second

type key struct {
	Create createKey `cmd:"" help:"Create a key and show it once."`
	List   listKeys  `cmd:"" help:"List the keys, oldest first."`
	Rotate rotateKey `cmd:"" help:"Create a key with the rights of another one, which stays valid for a while."`
	Revoke revokeKey `cmd:"" help:"Revoke a key; services refuse it within a second."`
}

type createKey struct {
	Kafka   kafka.Config `embed:""`
	Tenant  string       `help:"Tenant of the key; * for all tenants, with the role ADMIN." required:""`
	Name    string       `help:"Name of the key, for people."`
	Role    []string     `help:"Roles: ADMIN, TenantAdmin, AccessAdmin, Analyst."`
	Scope   []string     `help:"Scopes: ingest, read, delete, admin; without any, those of the roles." enum:"ingest,read,delete,admin"`
	Expires lifetime     `help:"Lifetime of the key: days as 90d, hours as 12h, or never."`
	Rate    float64      `help:"Requests per second in each service process; 0: no limit."`
	JSON    bool         `name:"json" help:"Print one JSON object that includes the key."`
}

func (c *createKey) defaults() {
	c.Kafka.Defaults()
	c.Expires = lifetime(90 * 24 * time.Hour)
}

func (c *createKey) validate() error {
	faults := []error{c.Kafka.Validate(), checkTenant(c.Tenant, c.Role)}
	if len(c.Role)+len(c.Scope) == 0 {
		faults = append(faults, errors.New("--scope or --role: set at least one"))
	}
	if _, err := knownRoles(c.Role); err != nil {
		faults = append(faults, err)
	}
	if c.Rate < 0 {
		faults = append(faults, errors.New("--rate: must not be negative"))
	}
	return errors.Join(faults...)
}

func (c *createKey) run(ctx context.Context, out term.Output) error {
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	topic, err := keysOf(c.Kafka)
	if err != nil {
		return err
	}
	roles, err := knownRoles(c.Role)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	k := apikey.Key{Name: c.Name, Tenant: c.Tenant, Roles: roles, Scopes: scopes(c.Scope), Rate: c.Rate, Created: now}
	if len(k.Scopes) == 0 {
		k.Scopes = identity.ScopesOfRoles(k.Roles)
	}
	if c.Expires > 0 {
		k.Expires = now.Add(time.Duration(c.Expires))
	}
	// A produce request to an unavailable broker fails with "topic not found": ask first.
	if _, err := schemakafka.Partitions(ctx, topic.Client, topic.Name); err != nil {
		return hint(err)
	}
	k, text := apikey.New(k)
	if err := topic.Put(ctx, k); err != nil {
		return hint(err)
	}
	return reveal(out, c.JSON, k, text)
}

// knownRoles returns the roles with these names, as the dialects write them. An unknown role is refused: a key with a misspelt role would
// have other rights than its owner thinks.
func knownRoles(names []string) ([]string, error) {
	var all []string
	for _, name := range names {
		role, ok := identity.Role(name)
		if !ok {
			return nil, fmt.Errorf("--role: unknown role %q: must be one of %s", name, strings.Join(schema.Roles(), ", "))
		}
		all = append(all, role)
	}
	return all, nil
}

// reveal prints only the key for a script, and explains it to people.
func reveal(out term.Output, asJSON bool, k apikey.Key, text string) (err error) {
	if asJSON {
		return json.NewEncoder(out).Encode(shown{itemOf(k), text})
	}
	about := fmt.Sprintf("Key %s of tenant %s has the scopes %s and is %s.", k.ID, k.Tenant, strings.Join(itemOf(k).Scopes, ", "), until(k.Expires))
	if out.Width > 0 {
		_, err = fmt.Fprintf(out, "%s It is shown only once:\n\n%s\n", about, text)
		return err
	}
	if term.Width(os.Stderr) > 0 { // as in KEY=$(activityctl key create …)
		fmt.Fprintln(os.Stderr, about)
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

func until(t time.Time) string {
	if t.IsZero() {
		return "valid until it is revoked"
	}
	return "valid until " + t.Format(time.RFC3339)
}

type listKeys struct {
	Kafka kafka.Config `embed:""`
	JSON  bool         `name:"json" help:"Print one JSON object per line."`
}

func (c *listKeys) defaults() { c.Kafka.Defaults() }

func (c *listKeys) validate() error { return c.Kafka.Validate() }

func (c *listKeys) run(ctx context.Context, out term.Output) error {
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	topic, err := keysOf(c.Kafka)
	if err != nil {
		return err
	}
	keys, err := topic.All(ctx)
	if err != nil {
		return hint(err)
	}
	if c.JSON {
		enc := json.NewEncoder(out)
		for _, k := range keys {
			if err := enc.Encode(itemOf(k)); err != nil {
				return err
			}
		}
		return nil
	}
	return tabulate(out, keys)
}

func tabulate(out term.Output, keys []apikey.Key) error {
	t := term.Table{Columns: []term.Column{
		{Name: "ID"},
		{Name: "NAME", Rank: 2, Min: 8},
		{Name: "TENANT", Rank: 1, Min: 8},
		{Name: "SCOPES", Rank: 3},
		{Name: "ROLES", Rank: 4},
		{Name: "RATE", Right: true, Rank: 6},
		{Name: "CREATED", Rank: 5, Min: len(time.DateOnly)},
		{Name: "EXPIRES", Rank: 2, Min: len(time.DateOnly)},
		{Name: "STATUS", Paint: paintStatus},
	}}
	for _, k := range keys {
		i := itemOf(k)
		expires, speed := "never", ""
		if !k.Expires.IsZero() {
			expires = k.Expires.Format(time.DateOnly)
		}
		if k.Rate > 0 {
			speed = strconv.FormatFloat(k.Rate, 'g', -1, 64) + "/s"
		}
		t.Add(k.ID, k.Name, k.Tenant, strings.Join(i.Scopes, ","), strings.Join(i.Roles, ","), speed, k.Created.Format(time.DateOnly), expires, i.Status)
	}
	return t.Print(out)
}

func paintStatus(status string) term.Style {
	if status == "active" {
		return term.Green
	}
	return term.Red
}

type revokeKey struct {
	Kafka kafka.Config `embed:""`
	ID    string       `arg:"" help:"Id of the key, as key list shows it."`
	JSON  bool         `name:"json" help:"Print the key as one JSON object."`
}

func (c *revokeKey) defaults() { c.Kafka.Defaults() }

func (c *revokeKey) validate() error { return c.Kafka.Validate() }

func (c *revokeKey) run(ctx context.Context, out term.Output) error {
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	topic, err := keysOf(c.Kafka)
	if err != nil {
		return err
	}
	k, err := find(ctx, topic, c.ID)
	if err != nil {
		return err
	}
	if k.Revoked.IsZero() {
		k.Revoked = time.Now().UTC().Truncate(time.Second)
		if err := topic.Put(ctx, k); err != nil {
			return hint(err)
		}
	}
	if c.JSON {
		return json.NewEncoder(out).Encode(itemOf(k))
	}
	_, err = fmt.Fprintf(out, "key %s of tenant %s is revoked\n", k.ID, k.Tenant)
	return err
}

func find(ctx context.Context, topic apikey.Topic, id string) (apikey.Key, error) {
	keys, err := topic.All(ctx)
	if err != nil {
		return apikey.Key{}, hint(err)
	}
	for _, k := range keys {
		if k.ID == id {
			return k, nil
		}
	}
	return apikey.Key{}, fmt.Errorf("unknown key %q: activityctl key list shows all", id)
}

func keysOf(s kafka.Config) (apikey.Topic, error) {
	client, err := s.Client()
	return apikey.Topic{Client: client, Name: schemakafka.Keys(s.Topic)}, err
}

// hint adds how to create a missing topic.
func hint(err error) error {
	if errors.Is(err, kafkago.UnknownTopicOrPartition) {
		return fmt.Errorf("%w (activityctl topics creates it)", err)
	}
	return err
}

// listed is a key as it is printed, without its hash.
type listed struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Tenant  string    `json:"tenant"`
	Scopes  []string  `json:"scopes"`
	Roles   []string  `json:"roles"`
	Rate    float64   `json:"rate"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
	Revoked time.Time `json:"revoked,omitzero"`
	Status  string    `json:"status"`
}

// shown is a new key, with its text.
type shown struct {
	listed
	Key string `json:"key"`
}

func itemOf(k apikey.Key) listed {
	i := listed{
		ID: k.ID, Name: k.Name, Tenant: k.Tenant, Scopes: []string{}, Roles: append([]string{}, k.Roles...), Rate: k.Rate,
		Created: k.Created, Expires: k.Expires, Revoked: k.Revoked, Status: k.Status(time.Now()),
	}
	for _, s := range k.Scopes {
		i.Scopes = append(i.Scopes, string(s))
	}
	return i
}

// lifetime is a duration in days (90d) or as Go writes it (12h); 0 means never.
type lifetime time.Duration

// String returns l in the form that UnmarshalText reads.
func (l lifetime) String() string {
	const day = 24 * time.Hour
	switch d := time.Duration(l); {
	case d == 0:
		return "never"
	case d%day == 0:
		return strconv.Itoa(int(d/day)) + "d"
	default:
		return d.String()
	}
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *lifetime) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "never" {
		*l = 0
		return nil
	}
	var d time.Duration
	var err error
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 15)
		d = time.Duration(n) * 24 * time.Hour
	} else {
		d, err = time.ParseDuration(s)
	}
	if err != nil || d < time.Second {
		return fmt.Errorf("want days as 90d, hours as 12h, or never, but got %q", s)
	}
	*l = lifetime(d)
	return nil
}
