package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/activitylog/activitylog/cmd/internal/service/clickhouse"
	"github.com/activitylog/activitylog/cmd/internal/service/kafka"
	"github.com/activitylog/activitylog/cmd/internal/term"
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

// printLines prints values as JSON, one per line.
func printLines[T any](out io.Writer, all []T) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false) // as the service sends entries
	for _, v := range all {
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	return nil
}
