package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/activitylog/activitylog/cmd/activityctl/internal/top"
	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/schema/api/client"
)

type watchTop struct {
	Asking  asking        `embed:""`
	Every   time.Duration `help:"How often to look."`
	Metrics []string      `help:"URLs of collectors and consumers whose /metrics to add up; without any, that of --url." placeholder:"URL"`
	Window  string        `help:"Window of the values that come most: 1m or 1h." oneof:"1m,1h"`
	Once    bool          `help:"Print one table, and end; the same happens where the output is no terminal."`
	JSON    bool          `name:"json" help:"Print one snapshot as a JSON object, and end."`
}

func (c *watchTop) defaults() {
	c.Asking.defaults()
	c.Every, c.Window = time.Second, "1m"
}

func (c *watchTop) validate() error {
	faults := []error{c.Asking.validate()}
	if c.Every < 100*time.Millisecond || c.Every > time.Hour {
		faults = append(faults, errors.New("--every: must be 100ms to 1h"))
	}
	for _, u := range c.Metrics {
		faults = append(faults, checkURL("--metrics", u))
	}
	return errors.Join(faults...)
}

func (c *watchTop) run(ctx context.Context, out term.Output) error {
	s := &top.Service{URL: c.Asking.URL, Granted: granted}
	var err error
	if s.Ask, err = c.Asking.client(); err != nil {
		return err
	}
	if len(c.Metrics) == 0 {
		c.Metrics = []string{c.Asking.URL}
	}
	for _, u := range c.Metrics {
		m, err := client.NewClient(u) // without the credential: /metrics takes none
		if err != nil {
			return fmt.Errorf("--metrics: %w", err)
		}
		s.Metrics = append(s.Metrics, m)
	}
	window := time.Minute
	if c.Window == "1h" {
		window = time.Hour
	}
	if !c.JSON && !c.Once && out.Width > 0 {
		return top.Live(ctx, s, top.Options{Every: c.Every, Window: window}, os.Stdin, os.Stdout, out)
	}
	r, err := top.Once(ctx, s, top.Options{Every: c.Every, Window: window})
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	case c.JSON:
		return json.NewEncoder(out).Encode(r.Snapshot())
	}
	return r.Print(out)
}
