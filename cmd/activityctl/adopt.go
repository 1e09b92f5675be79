package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/activitylog/activitylog/cmd/internal/service/clickhouse"
	"github.com/activitylog/activitylog/cmd/internal/service/kafka"
	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/logs"
)

type adopt struct {
	Kafka      kafka.Config      `embed:""`
	ClickHouse clickhouse.Config `embed:""`
	Yes        bool              `help:"Do it. Without this flag the command only prints what it would do."`
	JSON       bool              `name:"json" help:"Print one JSON object."`
}

func (c *adopt) defaults() {
	c.Kafka.Defaults()
	c.ClickHouse.Defaults()
}

func (c *adopt) validate() error { return errors.Join(c.Kafka.Validate(), c.ClickHouse.Validate()) }

func (c *adopt) run(ctx context.Context, out term.Output) error {
	client, err := c.Kafka.Client()
	if err != nil {
		return err
	}
	conn, err := c.ClickHouse.Conn()
	if err != nil {
		return err
	}
	defer conn.Close()
	pair := &logs.Pair{Client: client, Topic: c.Kafka.Topic, Conn: conn}
	plan, err := pair.Plan(ctx)
	if errors.Is(err, logs.ErrNothingToAdopt) {
		return c.print(out, adoption{}, wrapped(out, "nothing to do: Kafka and the tables belong together"))
	}
	if err != nil {
		return err
	}
	a := adoptionOf(plan)
	if !c.Yes {
		return c.print(out, a, a.table(out)+"\n"+wrapped(out, "Nothing has been changed. To do this, run the command again with --yes."))
	}
	if err := pair.Adopt(ctx, plan, nil); err != nil {
		return fmt.Errorf("adopt log %s: %w; run the command again", plan.Next.ID, err)
	}
	a.Adopted = true
	return c.print(out, a, a.table(out)+"\n"+wrapped(out, "Done. Running services notice it within seconds."))
}

// print writes a as JSON, or text.
func (c *adopt) print(out term.Output, a adoption, text string) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(a)
	}
	_, err := io.WriteString(out, text)
	return err
}

// adoption is the output of the command: the relevant fields of a plan.
type adoption struct {
	Adopted    bool           `json:"adopted"`
	Why        string         `json:"why,omitempty"` // empty: there is nothing to do
	TablesLog  string         `json:"tablesLog,omitempty"`
	KafkaLog   string         `json:"kafkaLog,omitempty"`
	NewLog     string         `json:"newLog,omitempty"`
	HighestID  uint64         `json:"highestId"`
	FirstID    uint64         `json:"firstId"`   // new ids are not below it
	SameTopic  bool           `json:"sameTopic"` // of the entries
	Partitions []continuation `json:"partitions,omitempty"`
}

type continuation struct {
	Partition int   `json:"partition"`
	Highest   int64 `json:"highestOffset"`
	First     int64 `json:"firstOffset"` // new offsets are not below it
}

func adoptionOf(plan *logs.Plan) adoption {
	a := adoption{
		Why: plan.Why, KafkaLog: plan.Kafka.String(), NewLog: plan.Next.ID.String(), HighestID: plan.HighestID,
		FirstID: plan.Next.FirstBlock * schema.IDBlock, SameTopic: plan.Same,
	}
	if plan.Tables != nil {
		a.TablesLog = plan.Tables.String()
	}
	for _, partition := range plan.Partitions() {
		first, _ := plan.Next.Last(partition)
		a.Partitions = append(a.Partitions, continuation{partition, plan.Offsets[partition], first})
	}
	return a
}

// table is a for people.
func (a adoption) table(o term.Output) string {
	var b strings.Builder
	to := term.Output{Writer: &b, Width: o.Width, Color: o.Color}
	known := a.TablesLog
	if known == "" {
		known = "unknown: the tables are older than logs with an identity"
	}
	_ = term.Record(to, [][2]string{ // a Builder takes everything
		{"tables' log", known},
		{"Kafka's log", a.KafkaLog},
		{"new log", a.NewLog},
		{"highest id", strconv.FormatUint(a.HighestID, 10)},
		{"new ids", fmt.Sprintf("from %d", a.FirstID)},
	})
	fmt.Fprintf(&b, "\n%s\n", wrapped(o, a.Why))
	t := term.Table{Columns: []term.Column{{Name: "PARTITION"}, {Name: "HIGHEST OFFSET"}, {Name: "NEW OFFSETS FROM"}}}
	for _, p := range a.Partitions {
		t.Add(strconv.Itoa(p.Partition), strconv.FormatInt(p.Highest, 10), strconv.FormatInt(p.First, 10))
	}
	_ = t.Print(to)
	return b.String()
}

// wrapped is a text in lines that fit.
func wrapped(o term.Output, text string) string {
	wide := o.Width
	if wide == 0 {
		wide = term.Usual
	}
	return strings.Join(term.Wrap(term.Clean(text), wide), "\n") + "\n"
}
