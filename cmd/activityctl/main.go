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

// Validate has nothing to say: what is wrong with a command's settings, the command says.
func (c *config) Validate() error { return nil }

// command is what can be asked for.
type command interface {
	validate() error
	run(ctx context.Context, out io.Writer) error
}

func main() {
	var cfg config
	commands := map[string]command{
		"migrate": &cfg.Migrate, "topics": &cfg.Topics, "dead": &cfg.Dead, "ids": &cfg.IDs, "token": &cfg.Token, "export": &cfg.Export, "tail": &cfg.Tail,
		"key create": &cfg.Key.Create, "key list": &cfg.Key.List, "key revoke": &cfg.Key.Revoke,
	}
	service.Tool("activityctl", "Looks after an installation of activitylog.", &cfg, func(ctx context.Context, chosen string) error {
		name, _, _ := strings.Cut(chosen, " <") // its arguments
		c := commands[name]
		if err := c.validate(); err != nil {
			return fmt.Errorf("%w: %w", service.ErrConfig, err)
		}
		return c.run(ctx, os.Stdout)
	})
}
