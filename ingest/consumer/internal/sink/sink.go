// Package sink writes to one ClickHouse server over its HTTP interface. An insert is one block with a deduplication token, so
// repeating it stores nothing twice. KindOf tells for every error whether repeating the insert can help.
package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/ingest/consumer/internal/block"
	"github.com/activitylog/activitylog/schema"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

// insertSettings keep a block one block, and so one part in a table partition: the server must neither split nor queue it. Entries
// of any age may be in a batch: how many weeks it spans is not a reason to refuse it.
var insertSettings = map[string]string{
	"async_insert":       "0",
	"insert_deduplicate": "1",
	// A batch's rollups have one row for each key already. Without this setting, the server spent a fifth of their insert's time looking
	// for more.
	"optimize_on_insert": "0",
	"deduplicate_blocks_in_dependent_materialized_views": "0",
	"max_insert_block_size":                              "1048449",
	"min_insert_block_size_rows":                         "1048449",
	"min_insert_block_size_bytes":                        "268435456",
	"max_partitions_per_insert_block":                    "0",
	"wait_end_of_query":                                  "1",
}

// Sink is safe for concurrent use.
type Sink struct {
	base     url.URL
	user     string
	password string
	headers  map[string]string
	compress bool
	http     *http.Client
	dials    atomic.Uint64
}

// Open prepares a sink for the first address of opts, which must have one. It connects when it is first used. Each server has a
// deduplication log of its own, so a second address is not an alternative. Blocks are compressed unless the server is on this host.
func Open(opts *clickhouse.Options) *Sink {
	host, _, _ := net.SplitHostPort(opts.Addr[0]) // an address without a port fails when it is dialed
	s := &Sink{
		base: url.URL{Scheme: "http", Host: opts.Addr[0], Path: "/" + strings.TrimPrefix(opts.HttpUrlPath, "/")},
		user: opts.Auth.Username, password: opts.Auth.Password, headers: opts.HttpHeaders,
		compress: !schema.IsLoopback(host),
	}
	if opts.TLS != nil {
		s.base.Scheme = "https"
	}
	if opts.Auth.Database != "" {
		s.base.RawQuery = url.Values{"database": {opts.Auth.Database}}.Encode()
	}
	dial := &net.Dialer{Timeout: 2 * time.Second}
	s.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial.DialContext(ctx, network, addr)
			if err == nil {
				s.dials.Add(1)
			}
			return conn, err
		},
		TLSClientConfig: opts.TLS, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute,
		DisableCompression: true, WriteBufferSize: 64 << 10,
	}}
	return s
}

// Connections returns the number of connections made so far.
func (s *Sink) Connections() uint64 { return s.dials.Load() }

// Close ends idle connections.
func (s *Sink) Close() { s.http.CloseIdleConnections() }

// Insert stores b in table unless a block with this token has been stored there.
func (s *Sink) Insert(ctx context.Context, table, token string, b block.Block) error {
	native, err := block.Encode(b)
	if err != nil {
		return err
	}
	var names []string
	for _, c := range b.Columns() {
		names = append(names, c.Name)
	}
	settings := map[string]string{"insert_deduplication_token": token}
	query := "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") FORMAT Native"
	body := func() io.Reader { return newParts(native.Parts) }
	size := native.Bytes
	if s.compress {
		settings["decompress"] = "1"
		packed, err := pack(native)
		if err != nil {
			return err
		}
		body, size = func() io.Reader { return newParts(net.Buffers{packed}) }, int64(len(packed))
	}
	if err := s.post(ctx, query, []map[string]string{insertSettings, settings}, body, size); err != nil {
		return fmt.Errorf("insert %d rows into %s: %w", native.Rows, table, err)
	}
	return nil
}

// Exec runs a statement with settings. Values of server parameters are settings named param_<name>.
func (s *Sink) Exec(ctx context.Context, query string, settings ...map[string]string) error {
	body := func() io.Reader { return strings.NewReader(query) }
	return s.post(ctx, "", settings, body, int64(len(query)))
}

// Ping checks that the server answers.
func (s *Sink) Ping(ctx context.Context) error { return s.Exec(ctx, "SELECT 1") }

func (s *Sink) post(ctx context.Context, query string, settings []map[string]string, body func() io.Reader, size int64) error {
	u := s.base
	values := u.Query()
	if query != "" {
		values.Set("query", query)
	}
	for _, set := range settings {
		for k, v := range set {
			values.Set(k, v)
		}
	}
	u.RawQuery = values.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), body())
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	req.ContentLength = size
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(body()), nil }
	for k, v := range s.headers {
		req.Header.Set(k, v)
	}
	if s.user != "" {
		req.Header.Set("X-ClickHouse-User", s.user)
		req.Header.Set("X-ClickHouse-Key", s.password)
	}
	res, err := s.http.Do(req)
	if err != nil {
		return fmt.Errorf("request to ClickHouse: %w", withoutURL(err))
	}
	defer res.Body.Close()
	return answer(res)
}

// withoutURL removes the address, with its whole query string, from a client's error.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

const maxAnswer = 64 << 10

func answer(res *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read ClickHouse's answer: %w", err)
	}
	number, _ := strconv.ParseInt(res.Header.Get("X-ClickHouse-Exception-Code"), 10, 32)
	code := tables.Code(number)
	if res.StatusCode == http.StatusOK && code == 0 {
		return nil
	}
	message := strings.TrimSpace(string(text))
	if code == 0 {
		code = codeIn(message)
	}
	return &Fault{Code: code, Status: res.StatusCode, Message: message}
}

// parts reads byte slices one after the other, without joining them.
type parts struct{ rest net.Buffers }

func newParts(b net.Buffers) *parts { return &parts{rest: append(net.Buffers(nil), b...)} }

func (p *parts) Read(to []byte) (int, error) { return p.rest.Read(to) }

// WriteTo passes the slices to w as they are.
func (p *parts) WriteTo(w io.Writer) (int64, error) { return p.rest.WriteTo(w) }

// frame is the size of a compressed frame, the same as in ClickHouse's own clients.
const frame = 1 << 20

func pack(n *block.Native) ([]byte, error) {
	var out, chunk []byte
	w := compress.NewWriter(compress.LevelZero, compress.LZ4)
	src := newParts(n.Parts)
	chunk = make([]byte, frame)
	for {
		k, err := io.ReadFull(src, chunk)
		if k > 0 {
			if err := w.Compress(chunk[:k]); err != nil {
				return nil, fmt.Errorf("compress a block: %w", err)
			}
			out = append(out, w.Data...)
		}
		if err != nil {
			return out, nil
		}
	}
}
