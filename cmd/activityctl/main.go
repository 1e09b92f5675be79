// Command activityctl is the operator's tool: it makes topics and tables, gives out API keys and takes them back, lists what
// could not be stored, exports entries and follows them, and converts ids.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/activitylog/activitylog/cmd/internal/service"
)

type config struct {
	service.Common

	Migrate migrate `cmd:"" help:"Bring ClickHouse's tables up to this version. It is safe to repeat, and to run twice at once."`
	Topics  topics  `cmd:"" help:"Make the topics that Kafka lacks."`
	Key     key     `cmd:"" help:"API keys: create, list, revoke."`
	Token   token   `cmd:"" help:"Print a token, signed with JWT_SECRET, for development."`
	Dead    dead    `cmd:"" help:"List what could not be stored, and why, the newest first."`
	Export  export  `cmd:"" help:"Write every entry that matches, the oldest first; what is cut off on the way is asked for again."`
	Tail    tail    `cmd:"" help:"Print entries that match as they are stored, one a line, until it is ended."`
	IDs     ids     `cmd:"" name:"ids" help:"Show ids as what each interface calls them."`
}

// Defaults sets the defaults of every command.
func (c *config) Defaults() {
	for _, command := range c.commands() {
		command.defaults()
	}
}

// Validate accepts everything: only the command that was chosen has to be valid.
func (c *config) Validate() error { return nil }

// command is one thing that activityctl does.
type command interface {
	defaults()
	validate() error
	run(ctx context.Context, out io.Writer) error
}

// commands are the commands by the name that the command line has for them.
func (c *config) commands() map[string]command {
	return map[string]command{
		"migrate": &c.Migrate, "topics": &c.Topics, "dead": &c.Dead, "ids": &c.IDs, "token": &c.Token, "export": &c.Export, "tail": &c.Tail,
		"key create": &c.Key.Create, "key list": &c.Key.List, "key revoke": &c.Key.Revoke,
	}
}

func main() {
	var cfg config
	service.Tool("activityctl", "Looks after an installation of activitylog.", &cfg, func(ctx context.Context, chosen string) error {
		name, _, _ := strings.Cut(chosen, " <") // its arguments
		c := cfg.commands()[name]
		if err := c.validate(); err != nil {
			return fmt.Errorf("%w: %w", service.ErrConfig, err)
		}
		return c.run(ctx, os.Stdout)
	})
}
