package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/google/uuid"

	"github.com/activitylog/activitylog/schema"
)

type ids struct {
	IDs []string `arg:"" name:"id" help:"Ids in any form: 123, act-123, a UUID with or without dashes."`
}

func (c *ids) defaults() {}

func (c *ids) validate() error { return nil }

func (c *ids) run(_ context.Context, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tACT\tGUID\tUUID\tBLOCK")
	var faults []error
	for _, text := range c.IDs {
		id, err := parseID(text)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		u := schema.UUID(id).String()
		fmt.Fprintf(w, "%d\tact-%d\t%s\t%s\t%d\n", id, id, strings.ReplaceAll(u, "-", ""), u, schema.Block(id))
	}
	return errors.Join(append(faults, w.Flush())...)
}

// parseID reads an id in any of its forms. A bare number of 32 digits is a GUID.
func parseID(text string) (uint64, error) {
	number := strings.TrimPrefix(text, "act-")
	if id, err := strconv.ParseUint(number, 10, 64); err == nil && len(number) < 32 {
		if id > schema.MaxID {
			return 0, fmt.Errorf("%q: ids go up to %d", text, uint64(schema.MaxID))
		}
		return id, nil
	}
	u, err := uuid.Parse(text)
	if err != nil {
		return 0, fmt.Errorf("%q: want a number, act-<number>, a GUID or a UUID", text)
	}
	return schema.IDOfUUID(u)
}
