package engine

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/libchdb"
	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/statement"
)

func (e *Engine) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", ok)
	mux.HandleFunc("/{$}", e.serve)
	return mux
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Ok.\n") }

// serve executes one statement.
func (e *Engine) serve(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	e.metrics.inFlight.Inc()
	defer e.metrics.inFlight.Dec()
	kind, status := "none", http.StatusOK
	defer func() { e.metrics.served(kind, status, time.Since(begin)) }()
	if r.Method == http.MethodGet && r.URL.RawQuery == "" {
		ok(w, r)
		return
	}
	user, err := e.authenticate(r)
	if err != nil {
		status = fail(w, err)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	req, err := e.readRequest(r, user)
	if err != nil {
		status = fail(w, err)
		return
	}
	if kind = kindNames[req.stmt.Kind]; user == ReaderName {
		kind = ReaderName
	}
	h := w.Header()
	h.Set("X-ClickHouse-Query-Id", req.id)
	h.Set("X-ClickHouse-Timezone", "UTC")
	a := &answer{w: w, req: req, begin: begin}
	if err := e.run(r.Context(), req, a); err != nil {
		if errors.Is(err, errBusy) {
			e.metrics.refused.Inc()
		}
		status = a.fail(err)
		return
	}
	if err := a.end(); err != nil {
		status = a.fail(err)
	}
}

var kindNames = map[statement.Kind]string{
	statement.Read: "read", statement.Light: "light", statement.Insert: "insert", statement.Write: "write", statement.Session: "session",
}

func (e *Engine) run(ctx context.Context, req *request, a *answer) error {
	if err := e.folder.ready(); err != nil && !req.stmt.Reads() {
		return fault(codeNotEnoughSpace, "%v", err)
	}
	switch req.stmt.Kind {
	case statement.Session:
		return nil
	case statement.Insert:
		return e.insert(ctx, req, a)
	case statement.Write:
		return e.pool.do(ctx, req, func(s *session) error {
			text, p, err := s.Exec(req.query())
			return e.wrote(a, text, p, err)
		})
	}
	return e.pool.do(ctx, req, func(s *session) error {
		return e.pool.killable(ctx, req.comment, func() error {
			if req.stmt.Kind == statement.Light {
				text, p, err := s.Exec(req.query())
				return e.wrote(a, text, p, err)
			}
			return read(ctx, s, req, a)
		})
	})
}

// wrote answers a statement that has changed data.
func (e *Engine) wrote(a *answer, text []byte, p libchdb.Progress, err error) error {
	if err != nil {
		return err
	}
	e.metrics.rows.Add(float64(p.WrittenRows))
	a.progress = p
	_, err = a.Write(text)
	return err
}

// authenticate reads user and password where ClickHouse does: from its headers, from Basic authentication, or from the URL. It
// returns the user.
func (e *Engine) authenticate(r *http.Request) (string, error) {
	user, password, given := r.BasicAuth()
	if u := r.Header.Get("X-ClickHouse-User"); u != "" {
		user, password, given = u, r.Header.Get("X-ClickHouse-Key"), true
	}
	if q := r.URL.Query(); !given && q.Has("password") {
		user, password, given = first(q.Get("user"), defaultUser), q.Get("password"), true
	}
	if !given {
		return "", fault(codePassword, "Authentication is required")
	}
	secrets := map[string]string{defaultUser: e.conf.Password}
	if e.conf.Reader.Password != "" {
		secrets[ReaderName] = e.conf.Reader.Password
	}
	secret, known := secrets[user]
	got, want := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 || !known {
		return "", fault(codeAuthentication, "%.40s: Authentication failed: password is incorrect, or there is no user with such name", user)
	}
	return user, nil
}

func (m *metrics) served(kind string, status int, d time.Duration) {
	m.queries.WithLabelValues(kind, strconv.Itoa(status/100)+"xx").Inc()
	m.seconds.WithLabelValues(kind).Observe(d.Seconds())
}
