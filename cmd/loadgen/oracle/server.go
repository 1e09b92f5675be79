// Package oracle checks that exactly what was acknowledged is stored: no entry lost, none stored twice, none that was never sent,
// none altered; no id and no location in Kafka twice; and rollups that count the entries by a rule of the oracle's own.
package oracle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// Server is a ClickHouse server or an embedded engine, which is asked over its HTTP interface.
type Server struct {
	url      *url.URL
	user     string
	password string
	client   *http.Client
}

// Open opens the server of a DSN such as http://user:password@host:8123/db. A password overrides that of the DSN.
func Open(dsn, password string) (*Server, error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Host == "" {
		return nil, errors.New("clickhouse dsn: want http://user:password@host:port/db")
	}
	s := &Server{user: u.User.Username(), client: &http.Client{}}
	s.password, _ = u.User.Password()
	if password != "" {
		s.password = password
	}
	query := url.Values{"default_format": {"TabSeparated"}}
	if db := strings.Trim(u.Path, "/"); db != "" {
		query.Set("database", db)
	}
	s.url = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/", RawQuery: query.Encode()}
	return s, nil
}

// Exec runs one statement. The body, unless nil, is the data of an INSERT.
func (s *Server) Exec(ctx context.Context, sql string, body io.Reader) error {
	res, err := s.send(ctx, sql, body)
	if err != nil {
		return err
	}
	defer res.Close()
	_, err = io.Copy(io.Discard, res)
	return err
}

// Dump copies the answer to a statement, in the statement's own format.
func (s *Server) Dump(ctx context.Context, sql string, to io.Writer) error {
	res, err := s.send(ctx, sql, nil)
	if err != nil {
		return err
	}
	defer res.Close()
	_, err = io.Copy(to, res)
	return err
}

// Query runs one statement and calls each with every row. The fields are valid only during the call.
func (s *Server) Query(ctx context.Context, sql string, each func(fields []string) error) error {
	res, err := s.send(ctx, sql, nil)
	if err != nil {
		return err
	}
	defer res.Close()
	lines := bufio.NewScanner(res)
	lines.Buffer(make([]byte, 64<<10), 16<<20)
	for lines.Scan() {
		if err := each(strings.Split(lines.Text(), "\t")); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}

// Numbers runs a statement whose answer is one row of integers.
func (s *Server) Numbers(ctx context.Context, sql string) ([]int64, error) {
	var numbers []int64
	err := s.Query(ctx, sql, func(fields []string) error {
		for _, f := range fields {
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return fmt.Errorf("answer %q: %w", strings.Join(fields, " "), err)
			}
			numbers = append(numbers, n)
		}
		return nil
	})
	if err == nil && len(numbers) == 0 {
		err = errors.New("empty answer")
	}
	return numbers, err
}

func (s *Server) send(ctx context.Context, sql string, body io.Reader) (io.ReadCloser, error) {
	u := *s.url
	if body == nil {
		body = strings.NewReader(sql)
	} else {
		q := u.Query()
		q.Set("query", sql)
		u.RawQuery = q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("clickhouse request: %w", err)
	}
	req.SetBasicAuth(s.user, s.password)
	res, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("request to clickhouse: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return nil, fmt.Errorf("clickhouse: HTTP %d: %s", res.StatusCode, strings.TrimSpace(string(text)))
	}
	return res.Body, nil
}

// ReadEnvFile reads the NAME=value lines of a file, such as the services.env of standalone.
func ReadEnvFile(name string) (map[string]string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	env := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			env[name] = strings.Trim(value, `"'`)
		}
	}
	return env, nil
}

// OpenEnvFile opens the server that a services.env names.
func OpenEnvFile(name string) (*Server, error) {
	env, err := ReadEnvFile(name)
	if err != nil {
		return nil, err
	}
	return Open(env["CLICKHOUSE_DSN"], env["CLICKHOUSE_PASSWORD"])
}
