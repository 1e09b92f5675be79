package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tmaxmax/go-sse"

	"github.com/activitylog/activitylog/cmd/activityctl/internal/show"
	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/schema/api/client"
)

type tail struct {
	Asking   asking   `embed:""`
	Matching matching `embed:""`
	After    *string  `help:"Id of an event; start after it instead of now." placeholder:"ID"`
	JSON     bool     `name:"json" help:"Print one JSON object per line, also on a terminal."`

	notes term.Output // where it says that the stream broke
}

func (c *tail) defaults() { c.Asking.defaults() }

func (c *tail) validate() error {
	err := errors.Join(c.Asking.validate(), c.Matching.validate())
	if c.After != nil && *c.After == "" {
		err = errors.Join(err, errors.New("--after: must not be empty; leave it out to start now"))
	}
	return err
}

// again is the wait before a stream that has ended is requested again.
const again = 2 * time.Second

// run prints entries as they are stored, one per line, until ctx ends: as a table on a terminal, as JSON elsewhere. It resumes a stream
// that breaks after its last event.
func (c *tail) run(ctx context.Context, out term.Output) error {
	ask, err := c.Asking.client()
	if err != nil {
		return err
	}
	c.notes = term.To(os.Stderr, out.Colors)
	to := printer{out: out, json: c.JSON || out.Width == 0}
	p := c.parameters()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var broke outage
	for following := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		res, err := granted(ask.AuditStream(ctx, p))
		if err == nil {
			following = true
			broke.over(c.notes, p.LastEventID)
			s := events{print: to.print}
			if p.LastEventID != nil {
				s.last = *p.LastEventID
			}
			err = errors.Join(s.follow(res.Body), res.Body.Close())
			if s.last != "" {
				p.LastEventID = &s.last
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case !following, errors.Is(err, errOutput), errors.Is(err, errRefused):
			return err
		}
		broke.says(c.notes, plain(err))
		timer.Reset(again)
	}
}

func (c *tail) parameters() *client.AuditStreamParams {
	m := c.Matching
	return &client.AuditStreamParams{
		LastEventID: c.After, Tenant: m.Tenant,
		UserId: m.User, Username: m.Username, Action: m.Action, TargetType: m.TargetType, TargetId: m.TargetID,
		Platform: m.Platform, Serial: m.Serial, RequestId: m.RequestID, Search: m.Search, StartDate: m.Start, EndDate: m.End,
	}
}

// outage is the time without a stream.
type outage struct {
	since time.Time // zero: there is none
	why   string
}

// says tells once why the stream broke, and each new reason.
func (o *outage) says(to term.Output, why string) {
	if o.since.IsZero() {
		o.since = time.Now()
		fmt.Fprintln(to, to.Paint(term.Yellow, "── stream interrupted at "+o.since.UTC().Format(time.TimeOnly)+" UTC: "+term.Clean(why)))
	} else if why != o.why {
		fmt.Fprintln(to, to.Paint(term.Yellow, "── still interrupted: "+term.Clean(why)))
	}
	o.why = why
}

// over tells that the stream goes on, after which event, and whether entries are missing.
func (o *outage) over(to term.Output, last *string) {
	if o.since.IsZero() {
		return
	}
	text := fmt.Sprintf("── stream resumed after %v", time.Since(o.since).Round(100*time.Millisecond))
	if last != nil {
		text += ": goes on after the last event, nothing is missing"
	} else {
		text += ": the service had sent no event to resume after; entries stored meanwhile are missing"
	}
	fmt.Fprintln(to, to.Paint(term.Yellow, text))
	*o = outage{}
}

// errOutput means that the output failed.
var errOutput = errors.New("write entries")

// maxEvent is the largest event that is read, in bytes. An entry arrives in a request of at most 16 MiB; JSON may escape it to more.
const maxEvent = 64 << 20

// events prints the entries of a stream of server-sent events.
type events struct {
	print func(entry string) error
	last  string // id of the last event that was handled
}

// follow reads events until the stream ends or breaks.
func (e *events) follow(body io.Reader) error {
	for event, err := range sse.Read(body, &sse.ReadConfig{MaxEventSize: maxEvent}) {
		if err == nil {
			err = e.handle(event)
		}
		if err != nil {
			return err
		}
	}
	return errCut
}

// errCut means that the stream stopped without a reason, as when a proxy or the service was killed.
var errCut = fmt.Errorf("the connection ended: %w", io.EOF)

func (e *events) handle(event sse.Event) error {
	switch event.Type {
	case "entry":
		if err := e.print(event.Data); err != nil {
			return fmt.Errorf("%w: %w", errOutput, err)
		}
	case "end":
		return fmt.Errorf("the service ended the stream: %s", reasonOf(event.Data))
	}
	if event.LastEventID != "" {
		e.last = event.LastEventID
	}
	return nil
}

// reasonOf is the reason in the data of the event end.
func reasonOf(data string) string {
	var end struct{ Reason string }
	if json.Unmarshal([]byte(data), &end) != nil || end.Reason == "" {
		return data
	}
	return end.Reason
}

// printer prints entries as they arrive.
type printer struct {
	out  term.Output
	json bool
}

func (p *printer) print(data string) error {
	if p.json {
		if p.out.Width > 0 {
			data = term.Clean(data)
		}
		_, err := fmt.Fprintln(p.out, data)
		return err
	}
	var e show.Entry
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		return err
	}
	p.out.Resize()
	_, err := fmt.Fprintln(p.out, show.Line(p.out, &e))
	return err
}
