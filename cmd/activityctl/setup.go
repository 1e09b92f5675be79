package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	clickhousego "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/cmd/internal/service/clickhouse"
	"github.com/activitylog/activitylog/cmd/internal/service/kafka"
	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/schema"
	schemaclickhouse "github.com/activitylog/activitylog/schema/clickhouse"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

type migrate struct {
	ClickHouse clickhouse.Config `embed:""`
	JSON       bool              `name:"json" help:"Print one JSON object."`
}

func (c *migrate) defaults() { c.ClickHouse.Defaults() }

func (c *migrate) validate() error { return c.ClickHouse.Validate() }

func (c *migrate) run(ctx context.Context, out term.Output) error {
	opts, err := c.ClickHouse.Options()
	if err != nil {
		return err
	}
	applied, err := schemaclickhouse.Migrate(ctx, opts)
	if c.JSON && err == nil {
		return json.NewEncoder(out).Encode(struct {
			Applied []string `json:"applied"`
		}{append([]string{}, applied...)})
	}
	for _, name := range applied {
		fmt.Fprintln(out, "applied", name)
	}
	if err != nil {
		return err
	}
	if len(applied) == 0 {
		fmt.Fprintln(out, "the tables are up to date")
	}
	return nil
}

type topics struct {
	Kafka    kafka.Config   `embed:""`
	Creation kafka.Creation `embed:""`
	JSON     bool           `name:"json" help:"Print one JSON object."`
}

func (c *topics) defaults() {
	c.Kafka.Defaults()
	c.Creation.Defaults()
	c.Creation.Create = true
}

func (c *topics) validate() error { return errors.Join(c.Kafka.Validate(), c.Creation.Validate()) }

func (c *topics) run(ctx context.Context, out term.Output) error {
	client, err := c.Kafka.Client()
	if err != nil {
		return err
	}
	if err := kafka.Ensure(ctx, c.Kafka, c.Creation, client); err != nil {
		return err
	}
	if !c.JSON {
		_, err := fmt.Fprintln(out, "the topics are up to date")
		return err
	}
	var names []string
	for _, spec := range schemakafka.Topics(c.Kafka.Topic, c.Creation.Partitions, c.Creation.Retention) {
		names = append(names, spec.Name)
	}
	return json.NewEncoder(out).Encode(struct {
		Topics []string `json:"topics"`
	}{names})
}

type reader struct {
	Create createReader `cmd:"" help:"Print the SQL that makes a user of ClickHouse who can only read the views, of one tenant or of all."`
}

type createReader struct {
	ClickHouse clickhouse.Config `embed:""`
	Tenant     string            `help:"Tenant whose entries the reader sees." xor:"tenant"`
	AllTenants bool              `help:"Let the reader see the entries of all tenants." xor:"tenant"`
	Name       string            `help:"Name of the user; by default the tenant and _reader, or all_reader."`
	Run        bool              `help:"Run the SQL instead of printing it. The user of CLICKHOUSE_DSN needs the right ACCESS MANAGEMENT."`
	JSON       bool              `name:"json" help:"Print one JSON object that includes the password and the SQL."`
}

func (c *createReader) defaults() { c.ClickHouse.Defaults() }

func (c *createReader) validate() error {
	faults := []error{c.ClickHouse.Validate()}
	switch {
	case c.Tenant == schema.AllTenants:
		faults = append(faults, errors.New("--tenant: for all tenants, write --all-tenants"))
	case !c.AllTenants:
		faults = append(faults, checkTenant(c.Tenant, nil))
	}
	if err := schema.CheckText("--name", c.Name, 200); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

func (c *createReader) run(ctx context.Context, out term.Output) error {
	opts, err := c.ClickHouse.Options()
	if err != nil {
		return err
	}
	r := schemaclickhouse.NewReader{
		Database: cmp.Or(opts.Auth.Database, "default"), Tenant: c.Tenant, Password: rand.Text(),
		Name: cmp.Or(c.Name, cmp.Or(c.Tenant, "all")+"_reader"),
	}
	if c.Run {
		if err := c.execute(ctx, r); err != nil {
			return err
		}
	}
	switch {
	case c.JSON:
		return json.NewEncoder(out).Encode(struct {
			Name     string   `json:"name"`
			Tenant   string   `json:"tenant,omitempty"`
			Password string   `json:"password"`
			Created  bool     `json:"created"`
			SQL      []string `json:"sql"`
		}{r.Name, r.Tenant, r.Password, c.Run, r.SQL()})
	case c.Run:
		_, err = fmt.Fprintf(out, "created %s; the password, which is shown only once: %s\n", r.Name, r.Password)
	default:
		_, err = fmt.Fprintf(out, "-- The password, which is shown only once: %s\n%s;\n", r.Password, strings.Join(r.SQL(), ";\n"))
	}
	return err
}

// execute makes the user, or removes again what it has made of it.
func (c *createReader) execute(ctx context.Context, r schemaclickhouse.NewReader) error {
	conn, err := c.ClickHouse.Conn()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	made := false
	for _, text := range r.SQL() {
		err := conn.Exec(ctx, text)
		if err == nil {
			made = made || strings.HasPrefix(text, "CREATE USER")
			continue
		}
		if made {
			err = errors.Join(err, undo(ctx, conn, r))
		}
		var refused *clickhousego.Exception
		if errors.As(err, &refused) && refused.Code == accessDenied {
			return fmt.Errorf("%w: %w: the embedded engine has one reader, with READER_PASSWORD; on a server, the user of CLICKHOUSE_DSN needs ACCESS MANAGEMENT, "+
				"or run the SQL that is printed without --run as another user", schema.ErrForbidden, err)
		}
		return fmt.Errorf("create %s: %w", r.Name, err)
	}
	return nil
}

// undo also works when ctx has ended. It stops at the first failure: a user that remains keeps its row policies.
func undo(ctx context.Context, conn clickhousego.Conn, r schemaclickhouse.NewReader) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, text := range r.Undo() {
		if err := conn.Exec(ctx, text); err != nil {
			return err
		}
	}
	return nil
}
