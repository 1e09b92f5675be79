package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/activitylog/activitylog/cmd/activityctl/internal/complete"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api/client"
)

type completion struct {
	Shell string `arg:"" help:"Shell: bash, zsh or fish." enum:"bash,zsh,fish"`
	JSON  bool   `name:"json" help:"Print one JSON object with the script."`
}

func (c *completion) defaults() {}

func (c *completion) validate() error { return nil }

func (c *completion) run(_ context.Context, out term.Output) error {
	script := complete.Script(c.Shell)
	if c.JSON {
		return printLines(out, []map[string]string{{"shell": c.Shell, "script": script}})
	}
	_, err := io.WriteString(out, script)
	return err
}

// answerShell prints what may follow on a command line. The scripts call it with the name of the shell and the words or, in bash, the
// characters that divide words and the line.
func answerShell(ctx context.Context, out io.Writer, args []string) error {
	if len(args) == 0 {
		return nil
	}
	shell, words := args[0], args[1:]
	breaks := ""
	if shell == "bash" && len(words) == 2 {
		breaks, words = words[0], complete.Split(words[1])
		words = words[min(1, len(words)-1):]
	}
	if len(words) == 0 {
		words = []string{""}
	}
	root, err := service.Model("activityctl", about, &config{})
	if err != nil {
		return err
	}
	a := complete.Next(root, words, func(f *kong.Flag, typed string) ([]string, bool) { return valuesOf(ctx, f, typed, words) })
	for _, c := range a.Candidates {
		switch {
		case shell == "bash":
			fmt.Fprintln(out, complete.AfterBreak(c.Word, words[len(words)-1], breaks))
		case c.Help != "":
			fmt.Fprintln(out, c.Word+"\t"+c.Help)
		default:
			fmt.Fprintln(out, c.Word)
		}
	}
	if a.Files {
		fmt.Fprintln(out, ":files")
	}
	return nil
}

// valuesOf are values of a flag that its type does not tell: roles, files, and what the entries have.
func valuesOf(ctx context.Context, f *kong.Flag, typed string, words []string) (values []string, files bool) {
	switch f.Name {
	case "role":
		return schema.Roles(), false
	case "env-file", "out", "kafka-tls-ca", "kafka-tls-cert", "kafka-tls-key":
		return nil, true
	case "action", "platform", "username", "target-type":
		return stored(ctx, map[string]string{"target-type": "targetType"}[f.Name], f.Name, typed, words), false
	}
	return nil, false
}

// askTime is how long somebody who presses Tab waits.
const askTime = 800 * time.Millisecond

// stored asks the query service that the command line names for the values that most entries have. It returns nothing if there is none.
func stored(ctx context.Context, group, name, typed string, words []string) (values []string) {
	if group == "" {
		group = name
	}
	args := []string{"count"}
	for i, word := range words[:len(words)-1] {
		for _, flag := range []string{"--url", "--token", "--env-file"} {
			switch {
			case strings.HasPrefix(word, flag+"="):
				args = append(args, word)
			case word == flag && i+1 < len(words)-1:
				args = append(args, flag+"="+words[i+1])
			}
		}
	}
	var cfg config
	if service.Fill("activityctl", &cfg, args) != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	by, most := client.AuditStatsParamsGroupBy(group), 100
	p := &client.AuditStatsParams{GroupBy: &by, Top: &most}
	if typed != "" {
		p.Contains = &typed
	}
	var answer struct {
		Data struct{ Groups []valueCount }
	}
	ask, err := cfg.Count.Asking.client()
	if err != nil {
		return nil
	}
	res, err := granted(ask.AuditStats(ctx, p))
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	if decode(res, &answer) != nil {
		return nil
	}
	for _, g := range answer.Data.Groups {
		values = append(values, g.Value)
	}
	slices.Sort(values)
	return values
}
