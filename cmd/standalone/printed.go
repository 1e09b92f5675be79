package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/activitylog/activitylog/deploy/embedded/folder"
)

// variables returns the settings that connect a service to the dependencies of this process, as NAME=value.
func (l *links) variables() (all []string) {
	add := func(name, value string) { all = append(all, name+"="+value) }
	if len(l.kafka.Brokers) > 0 {
		add("KAFKA_BROKERS", l.kafka.Brokers[0])
		add("KAFKA_TOPIC", l.kafka.Topic)
		add("KAFKA_SASL", l.kafka.SASL)
	}
	if l.kafka.Username != "" {
		add("KAFKA_USERNAME", l.kafka.Username)
		add("KAFKA_PASSWORD", l.kafka.Password.Reveal())
	}
	if l.clickhouse.DSN != "" {
		add("CLICKHOUSE_DSN", l.clickhouse.DSN.Reveal())
		add("CLICKHOUSE_PASSWORD", l.clickhouse.Password.Reveal())
		add("READER_PASSWORD", l.reader)
	}
	return all
}

// servicesFile is the file in the data folder that tells other commands how to connect. Only the owner can read it.
const servicesFile = "services.env"

const servicesHead = "# How to connect to the running standalone; written at each start. Example: bin/activityctl --env-file %s dead\n"

// writeServices writes the file. query is the address of the query service.
func (c *config) writeServices(l *links, query string) error {
	path := filepath.Join(c.DataDir, servicesFile)
	all := append(l.variables(), "QUERY_URL=http://"+query)
	all = append(all, c.ofOthers(path)...)
	text := fmt.Sprintf(servicesHead, path) + strings.Join(all, "\n") + "\n" + c.Auth.Env()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write addresses: %w", err)
	}
	return nil
}

// ofOthers returns the lines that another process has written to the file about its dependency: --only broker and --only engine may share
// the data folder.
func (c *config) ofOthers(path string) (all []string) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil // there is no such file yet
	}
	for _, d := range []struct{ name, prefix, lock string }{
		{"broker", "KAFKA_", "lock"}, {"engine", "CLICKHOUSE_", "engine.lock"}, {"engine", "READER_", "engine.lock"},
	} {
		if c.runs(d.name) || !folder.InUse(filepath.Join(c.DataDir, d.name), d.lock) {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, d.prefix) {
				all = append(all, strings.TrimSpace(line))
			}
		}
	}
	return all
}

// sibling returns how to call another command of this project: in the same way as this one was called.
func sibling(name string) string {
	if dir, _ := filepath.Split(os.Args[0]); dir != "" {
		return dir + name
	}
	return name
}

// dependencies is what --only prints.
const dependencies = `
%[1]s: ready, with the data in %[2]s; health checks at http://%[3]s/readyz. Start the services in another terminal:

%[4]s
These variables are in %[5]s:

  %[6]s

Ctrl-C shuts down.

`

// printDependencies prints the commands that start the services on the dependencies of this process.
func (c *config) printDependencies(l *links, addr string) {
	file := filepath.Join(c.DataDir, servicesFile)
	var commands strings.Builder
	for _, name := range []string{"collector", "consumer", "query"} {
		if name == "collector" && !c.runs("broker") { // Kafka is elsewhere
			fmt.Fprintf(&commands, "  %s --env-file %s topics\n", sibling("activityctl"), file)
		}
		fmt.Fprintf(&commands, "  %s --env-file %s &\n", sibling(name), file)
	}
	only := slices.Clone(c.Only)
	slices.Sort(only)
	fmt.Fprintf(os.Stdout, dependencies, strings.Join(only, " and "), c.DataDir, addr, commands.String(), file, strings.Join(l.variables(), "\n  "))
}

const welcome = `
activitylog is ready at http://%[1]s

%[3]s  curl%[4]s -X POST http://%[1]s/api/v1/activity_log -d '{"action_type":"login","platform":"web","serial":"device-1","username":"ada"}'
  curl%[4]s http://%[1]s/api/v1/activity_log

Data is in %[2]s. Open http://%[1]s in a browser for more. SQL for Grafana, pandas and others: ClickHouse at http://%[5]s,
user reader, password READER_PASSWORD in %[6]s. Ctrl-C shuts down.

`

// printWelcome prints the first commands to try, with a credential if AUTH requires one.
func (c *config) printWelcome(l *links, addr string) {
	credential, header := "", ""
	if command := c.Auth.Command(); command != "" {
		credential = fmt.Sprintf("  TOKEN=$(%s --env-file %s %s)\n", sibling("activityctl"), filepath.Join(c.DataDir, servicesFile), command)
		header = ` -H "Authorization: Bearer $TOKEN"`
	}
	fmt.Fprintf(os.Stdout, welcome, addr, c.DataDir, credential, header, l.engine, filepath.Join(c.DataDir, servicesFile))
}
