package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/activitylog/activitylog/cmd/activityctl/internal/show"
	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/schema/api/client"
)

// mostListed is how many entries a page has at most.
const mostListed = 1000

// list is the newest entries.
type list struct {
	Asking   asking   `embed:""`
	Matching matching `embed:""`
	Limit    int      `help:"Most entries to list, 1 to 1000."`
	Oldest   bool     `help:"List the oldest entries first."`
	JSON     bool     `name:"json" help:"Print one JSON object per line, with every field."`
}

func (c *list) defaults() {
	c.Asking.defaults()
	c.Limit = 20
}

func (c *list) validate() error {
	err := errors.Join(c.Asking.validate(), c.Matching.validate())
	if c.Limit < 1 || c.Limit > mostListed {
		err = errors.Join(err, errors.New("--limit: must be 1 to 1000; for more entries use activityctl export"))
	}
	return err
}

func (c *list) run(ctx context.Context, out term.Output) error {
	m := c.Matching
	p := &client.AuditListParams{
		PageSize: &c.Limit, Tenant: m.Tenant,
		UserId: m.User, Username: m.Username, Action: m.Action, TargetType: m.TargetType, TargetId: m.TargetID,
		Platform: m.Platform, Serial: m.Serial, RequestId: m.RequestID, Search: m.Search, StartDate: m.Start, EndDate: m.End,
	}
	if c.Oldest {
		sort := client.AuditListParamsSort("createdAt:asc")
		p.Sort = &sort
	}
	var page struct {
		Data []json.RawMessage
		Meta struct{ Total int64 }
	}
	ask, err := c.Asking.client()
	if err != nil {
		return err
	}
	res, err := granted(ask.AuditList(ctx, p))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := decode(res, &page); err != nil {
		return err
	}
	if c.JSON {
		return printLines(jsonTo(out), page.Data)
	}
	return printEntries(out, page.Data, page.Meta.Total)
}

// printEntries prints a page of entries as a table. Only an administrator of all tenants sees entries with a tenant.
func printEntries(out term.Output, page []json.RawMessage, total int64) error {
	entries := make([]show.Entry, len(page))
	t := term.Table{Columns: []term.Column{
		{Name: "TIME (UTC)", Paint: always(term.Dim), Rank: 1, Min: len(time.DateTime)},
		{Name: "ACTION", Paint: term.Hue, Rank: 2, Min: 8},
		{Name: "ACTOR", Rank: 4, Min: 8},
		{Name: "DEVICE", Paint: always(term.Cyan), Rank: 3, Min: 8},
		{Name: "TARGET AND DETAILS", Rank: 5},
	}}
	tenants := false
	for i, data := range page {
		if err := json.Unmarshal(data, &entries[i]); err != nil {
			return fmt.Errorf("read an entry: %w", err)
		}
		tenants = tenants || entries[i].Tenant != nil
	}
	if tenants {
		t.Columns = slices.Insert(t.Columns, 1, term.Column{Name: "TENANT", Rank: 2, Min: 6})
	}
	for i := range entries {
		e := &entries[i]
		cells := []string{e.Time(), e.Action, e.Actor(), e.Device(), e.What()}
		if tenants {
			tenant := ""
			if e.Tenant != nil {
				tenant = *e.Tenant
			}
			cells = slices.Insert(cells, 1, tenant)
		}
		t.Add(cells...)
	}
	if t.Len() == 0 {
		_, err := fmt.Fprintln(out, "no entries match")
		return err
	}
	if err := t.Print(out); err != nil || out.Width == 0 || total <= int64(t.Len()) {
		return err
	}
	note := fmt.Sprintf("%d of %s entries; activityctl export takes all", t.Len(), term.Number(total))
	if t.Len() < mostListed {
		note = fmt.Sprintf("%d of %s entries; --limit lists more, activityctl export all", t.Len(), term.Number(total))
	}
	_, err := fmt.Fprintln(out, out.Paint(term.Dim, strings.Join(term.Wrap(note, out.Width), "\n")))
	return err
}

// always is the style of every cell.
func always(s term.Style) func(string) term.Style { return func(string) term.Style { return s } }

// counting counts entries, all or by a value.
type counting struct {
	Asking   asking   `embed:""`
	Matching matching `embed:""`
	By       *string  `help:"Count by action, platform, device, actor, username or targetType; without it, count all entries." oneof:"action,platform,device,actor,username,targetType" placeholder:"VALUE"`
	Top      int      `help:"With --by: most values to show, those with the most entries, 1 to 1000."`
	JSON     bool     `name:"json" help:"Print one JSON object."`
}

func (c *counting) defaults() {
	c.Asking.defaults()
	c.Top = 20
}

func (c *counting) validate() error {
	err := errors.Join(c.Asking.validate(), c.Matching.validate())
	if c.Top < 1 || c.Top > 1000 {
		err = errors.Join(err, errors.New("--top: must be 1 to 1000"))
	}
	return err
}

// counts is what count prints as JSON.
type counts struct {
	Total  int64        `json:"total"`
	By     string       `json:"by,omitempty"`
	Counts []valueCount `json:"counts,omitempty"`
	Other  int64        `json:"other,omitempty"` // entries of values that are not shown
}

type valueCount struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
}

func (c *counting) run(ctx context.Context, out term.Output) error {
	m := c.Matching
	p := &client.AuditStatsParams{
		Tenant: m.Tenant, UserId: m.User, Username: m.Username, Action: m.Action, TargetType: m.TargetType, TargetId: m.TargetID,
		Platform: m.Platform, Serial: m.Serial, RequestId: m.RequestID, Search: m.Search, StartDate: m.Start, EndDate: m.End,
	}
	if c.By != nil {
		by := client.AuditStatsParamsGroupBy(*c.By)
		p.GroupBy, p.Top = &by, &c.Top
	}
	var answer struct {
		Data struct {
			Total, Other int64
			Groups       []valueCount
		}
	}
	ask, err := c.Asking.client()
	if err != nil {
		return err
	}
	res, err := granted(ask.AuditStats(ctx, p))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := decode(res, &answer); err != nil {
		return err
	}
	all := counts{Total: answer.Data.Total}
	if c.By != nil {
		all.By, all.Counts, all.Other = *c.By, answer.Data.Groups, answer.Data.Other
	}
	switch {
	case c.JSON:
		return json.NewEncoder(jsonTo(out)).Encode(all)
	case c.By == nil:
		_, err := fmt.Fprintln(out, all.Total)
		return err
	}
	return all.print(out)
}

func (a *counts) print(out term.Output) error {
	name := map[string]string{"targetType": "TARGET TYPE", "action": "ACTION", "platform": "PLATFORM", "device": "DEVICE", "actor": "ACTOR", "username": "USERNAME"}[a.By]
	value := term.Column{Name: name, Rank: 2, Min: 8}
	if a.By == "action" {
		value.Paint = term.Hue
	}
	t := term.Table{Columns: []term.Column{value, {Name: "ENTRIES", Right: true}, {Name: "SHARE", Right: true, Rank: 1}, {Name: "", Rank: 3, Paint: always(term.Dim)}}}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	if out.Width > 0 {
		number = term.Number
	}
	add := func(value string, n int64) {
		bar := ""
		if out.Width > 0 && n <= a.Counts[0].Count {
			bar = term.Bar(float64(n)/float64(max(a.Counts[0].Count, 1)), 20)
		}
		t.Add(value, number(n), fmt.Sprintf("%.1f %%", 100*float64(n)/float64(max(a.Total, 1))), bar)
	}
	if out.Width == 0 {
		t.Columns = t.Columns[:3]
	}
	for _, c := range a.Counts {
		add(c.Value, c.Count)
	}
	if a.Other > 0 && len(a.Counts) > 0 {
		add("(others)", a.Other)
	}
	if t.Len() == 0 {
		_, err := fmt.Fprintln(out, "no entries match")
		return err
	}
	return t.Print(out)
}

// jsonTo is where JSON goes. JSON hides most control characters, but not all that a terminal knows.
func jsonTo(out term.Output) io.Writer {
	if out.Width > 0 {
		return term.Masked{Writer: out}
	}
	return out
}
