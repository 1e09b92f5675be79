package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

const (
	headerTime     = 5 * time.Second
	idleTime       = 2 * time.Minute
	maxHeaderBytes = 16 << 10
	shutdownTime   = 4 * time.Second // for requests in flight, within drainTime

	// A request body must arrive within bodyTime plus a second for each slowBytes of its announced length.
	bodyTime  = 15 * time.Second
	slowBytes = 64 << 10
)

// HTTP is how a process serves HTTP.
type HTTP struct {
	Addr       string        `name:"http-addr" help:"Address to listen on, host:port; port 0 takes a free one." env:"HTTP_ADDR"`
	MaxConns   int           `name:"http-max-conns" help:"Most open connections; any more are closed at once." env:"HTTP_MAX_CONNS"`
	DrainDelay time.Duration `help:"Time between reporting not ready and closing the listener, for load balancers to notice." env:"DRAIN_DELAY"`
	PprofAddr  string        `help:"Loopback address to serve Go profiles on, under /debug/pprof/; empty: off." env:"PPROF_ADDR"`
}

// Defaults sets everything but the address: each service has its own.
func (h *HTTP) Defaults() { h.MaxConns = 4096 }

// Validate returns everything that is wrong with h.
func (h HTTP) Validate() error {
	var faults []error
	faults = append(faults, CheckAddr("HTTP_ADDR", h.Addr))
	if h.MaxConns < 1 {
		faults = append(faults, errors.New("HTTP_MAX_CONNS: must be above 0"))
	}
	if h.DrainDelay < 0 || h.DrainDelay > 2*time.Second {
		faults = append(faults, errors.New("DRAIN_DELAY: must be from 0 to 2s, so that a shutdown takes less than 10 s"))
	}
	if h.PprofAddr != "" && !Loopback(h.PprofAddr) {
		faults = append(faults, errors.New("PPROF_ADDR: must be a loopback address, host:port: profiles show what is in memory"))
	}
	return errors.Join(faults...)
}

// Middleware wraps a handler.
type Middleware = func(http.Handler) http.Handler

// Listen starts to serve the routes of all started parts and the health endpoints, and returns the address. The middleware
// authenticate wraps the routes of parts, not the health endpoints; it is nil where no part has routes.
func (p *Process) Listen(ctx context.Context, h HTTP, authenticate Middleware) (addr string, err error) {
	if err := p.profiles(ctx, h.PprofAddr); err != nil {
		return "", err
	}
	m := newMetrics(p.Metrics)
	drain := make(chan struct{})
	server := &http.Server{
		Handler:           p.router(m, authenticate),
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug), // errors of clients
		BaseContext:       func(net.Listener) context.Context { return api.WithDrain(context.Background(), drain) },
	}
	server.RegisterOnShutdown(func() { close(drain) }) // ends answers that never end by themselves, such as tails
	var ln net.Listener
	part := Part{
		Name: "http",
		Start: func(ctx context.Context) error {
			inner, err := new(net.ListenConfig).Listen(ctx, "tcp", h.Addr)
			if err != nil {
				return fmt.Errorf("HTTP_ADDR: %w", err)
			}
			ln = &limited{Listener: inner, free: make(chan struct{}, h.MaxConns), refused: m.refused}
			return nil
		},
		Run: func(ctx context.Context) error { return serve(ctx, server, ln, h.DrainDelay) },
	}
	if err := p.Start(ctx, part); err != nil {
		return "", err
	}
	p.Log.Info("listening", "addr", ln.Addr().String(), "version", Version)
	return ln.Addr().String(), nil
}

func serve(ctx context.Context, server *http.Server, ln net.Listener, delay time.Duration) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	<-timer.C
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if server.Shutdown(drain) != nil {
		_ = server.Close() // cuts off requests that are still in flight; their callers get no answer
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Router returns what Listen serves.
func (p *Process) Router(authenticate Middleware) chi.Router {
	return p.router(newMetrics(p.Metrics), authenticate)
}

func (p *Process) router(m *metrics, authenticate Middleware) chi.Router {
	r := chi.NewRouter()
	r.Use(m.measure, p.recovered, deadline, headIsGet)
	if p.CORS != nil {
		r.Use(p.CORS)
	}
	health := p.health()
	r.Get("/livez", p.livez)
	r.Get("/readyz", readyz(health))
	r.Get("/version", p.version)
	r.Get("/openapi.json", description())
	r.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(p.Metrics, promhttp.HandlerOpts{Registry: p.Metrics}))
	for _, s := range p.stack {
		if s.Open != nil {
			s.Open(r, health)
		}
	}
	r.Group(func(r chi.Router) {
		if authenticate != nil {
			r.Use(authenticate)
		}
		for _, s := range p.stack {
			if s.Routes != nil {
				s.Routes(r)
			}
		}
	})
	return r
}

// Loopback reports whether addr, a host:port, can be reached from this machine only.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && schema.IsLoopback(host)
}

// recovered answers a panic with 500 and keeps the process alive. The panic value is logged, never shown to the caller.
func (p *Process) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares it this way
				panic(v)
			}
			p.Log.Error("handler panicked", "panic", fmt.Sprint(v), "method", r.Method, "route", route(r), "stack", string(debug.Stack()))
			writeJSON(w, http.StatusInternalServerError, struct {
				Code    int    `json:"code"`
				Message string `json:"message"`
				Data    any    `json:"data"`
			}{50001, "internal error", nil})
		}()
		next.ServeHTTP(w, r)
	})
}

// headIsGet answers every HEAD like its GET, without the body. chi's middleware.GetHead does so only where no route matches HEAD,
// but our routes for unknown paths match every method.
func headIsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			chi.RouteContext(r.Context()).RouteMethod = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}

// deadline stops reading a body that arrives too slowly.
func deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			allowed := bodyTime + time.Duration(max(r.ContentLength, 0)/slowBytes)*time.Second
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(allowed)) // a test recorder has no deadline
		}
		next.ServeHTTP(w, r)
	})
}
