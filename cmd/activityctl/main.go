// Command activityctl is the operator's tool: it creates topics, tables and readers of the tables, creates and revokes API keys, lists,
// counts, exports and tails entries, shows what happens now, lists dead letters, and converts ids.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/cmd/internal/term"
)

type config struct {
	service.Common
	Color term.Colors `help:"When to print colours: auto, always or never. auto means on a terminal, unless NO_COLOR is set." oneof:"auto,always,never"`

	Migrate migrate  `cmd:"" help:"Create or update ClickHouse's tables. It is safe to repeat, and to run twice at once."`
	Topics  topics   `cmd:"" help:"Create missing Kafka topics."`
	Adopt   adopt    `cmd:"" help:"Give the tables to another Kafka, or to one that was restored from a backup."`
	Key     key      `cmd:"" help:"Create, list, rotate and revoke API keys."`
	Token   token    `cmd:"" help:"Print a token for development, signed with JWT_SECRET."`
	Reader  reader   `cmd:"" help:"Make users of ClickHouse for people and their tools."`
	Dead    dead     `cmd:"" help:"List dead letters: entries that could not be stored, and why, newest first."`
	List    list     `cmd:"" help:"List matching entries, newest first."`
	Count   counting `cmd:"" help:"Count matching entries, also by action, device and others."`
	Top     watchTop `cmd:"" help:"Show what happens now: rates, what waits, what goes wrong, and which values come most. Keys: q quits, p pauses, arrows change what is counted."`
	Export  export   `cmd:"" help:"Export all matching entries, oldest first; a broken connection is resumed."`
	Tail    tail     `cmd:"" help:"Print matching entries as they are stored, one per line, until interrupted."`
	IDs     ids      `cmd:"" name:"ids" help:"Convert ids between the forms of all APIs."`

	Completion completion `cmd:"" help:"Print the script that completes commands, flags and values in a shell."`
}

// Defaults sets the defaults of every command.
func (c *config) Defaults() {
	c.Color = term.Auto
	for _, command := range c.commands() {
		command.defaults()
	}
}

// Validate returns nil: only the chosen command has to be valid, and main validates it.
func (c *config) Validate() error { return nil }

// command is one thing that activityctl does.
type command interface {
	defaults()
	validate() error
	run(ctx context.Context, out term.Output) error
}

// commands returns the commands by their names on the command line.
func (c *config) commands() map[string]command {
	return map[string]command{
		"migrate": &c.Migrate, "topics": &c.Topics, "adopt": &c.Adopt, "dead": &c.Dead, "ids": &c.IDs, "token": &c.Token, "export": &c.Export, "tail": &c.Tail,
		"list": &c.List, "count": &c.Count, "top": &c.Top, "completion": &c.Completion,
		"key create": &c.Key.Create, "key list": &c.Key.List, "key rotate": &c.Key.Rotate, "key revoke": &c.Key.Revoke,
		"reader create": &c.Reader.Create,
	}
}

const about = "Administers an installation of activitylog. Of a running standalone: activityctl --env-file data/services.env <command>."

func main() {
	if len(os.Args) > 1 && os.Args[1] == "complete" { // no command: it gets half a command line, which kong would refuse
		_ = answerShell(context.Background(), os.Stdout, os.Args[2:]) // a shell shows no errors while somebody types
		return
	}
	var cfg config
	service.Tool("activityctl", about, &cfg, func(ctx context.Context, chosen string) error {
		name, _, _ := strings.Cut(chosen, " <") // its arguments
		c := cfg.commands()[name]
		if err := c.validate(); err != nil {
			return fmt.Errorf("%w: %w", service.ErrConfig, err)
		}
		return explain(c.run(ctx, term.To(os.Stdout, cfg.Color)), placesOf(c), cfg.EnvFile)
	})
}
