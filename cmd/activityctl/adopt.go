package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/activitylog/activitylog/cmd/internal/service/clickhouse"
	"github.com/activitylog/activitylog/cmd/internal/service/kafka"
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

func (c *adopt) run(ctx context.Context, out io.Writer) error {
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
		return c.print(out, adoption{}, "nothing to do: Kafka and the tables belong together\n")
	}
	if err != nil {
		return err
	}
	a := adoptionOf(plan)
	if !c.Yes {
		return c.print(out, a, a.table()+"\nNothing has been changed. To do this, run the command again with --yes.\n")
	}
	if err := pair.Adopt(ctx, plan, nil); err != nil {
		return fmt.Errorf("adopt log %s: %w; run the command again", plan.Next.ID, err)
	}
	a.Adopted = true
	return c.print(out, a, a.table()+"\nDone. Running services notice it within seconds.\n")
}

// print writes a as JSON, or text.
func (c *adopt) print(out io.Writer, a adoption, text string) error {
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

// width is the number of columns of a terminal.
const width = 80

// table returns a for people.
func (a adoption) table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	known := a.TablesLog
	if known == "" {
		known = "unknown: the tables are older than logs with an identity"
	}
	fmt.Fprintf(w, "tables' log\t%s\nKafka's log\t%s\nnew log\t%s\n", known, a.KafkaLog, a.NewLog)
	fmt.Fprintf(w, "highest id\t%d\nnew ids\tfrom %d\n", a.HighestID, a.FirstID)
	_ = w.Flush() // a Builder takes everything
	fmt.Fprintf(&b, "\n%s\n\n", wrapped(a.Why))
	w = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PARTITION\tHIGHEST OFFSET\tNEW OFFSETS FROM")
	for _, p := range a.Partitions {
		fmt.Fprintf(w, "%d\t%d\t%d\n", p.Partition, p.Highest, p.First)
	}
	_ = w.Flush()
	return b.String()
}

// wrapped breaks text into lines that fit a terminal, between words.
func wrapped(text string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
		case column+1+len(word) > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
