package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/schema"
)

type ids struct {
	IDs  []string `arg:"" name:"id" help:"Ids in any form: 123, act-123, a UUID with or without dashes."`
	JSON bool     `name:"json" help:"Print one JSON object per line."`
}

func (c *ids) defaults() {}

func (c *ids) validate() error { return nil }

// forms is an id in the forms of all APIs.
type forms struct {
	ID    uint64 `json:"id"`
	Act   string `json:"act"`
	GUID  string `json:"guid"`
	UUID  string `json:"uuid"`
	Block uint64 `json:"block"`
}

func formsOf(id uint64) forms {
	u := schema.UUID(id).String()
	return forms{id, fmt.Sprintf("act-%d", id), strings.ReplaceAll(u, "-", ""), u, schema.Block(id)}
}

func (c *ids) run(_ context.Context, out term.Output) error {
	var all []forms
	var faults []error
	for _, text := range c.IDs {
		id, err := parseID(text)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		all = append(all, formsOf(id))
	}
	if c.JSON {
		return errors.Join(append(faults, printLines(out, all))...)
	}
	for i, f := range all {
		if i > 0 {
			fmt.Fprintln(out)
		}
		faults = append(faults, term.Record(out, [][2]string{
			{"id", strconv.FormatUint(f.ID, 10)}, {"act", f.Act}, {"guid", f.GUID}, {"uuid", f.UUID}, {"block", strconv.FormatUint(f.Block, 10)},
		}))
	}
	return errors.Join(faults...)
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
