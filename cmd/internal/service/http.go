package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
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

	// Of one connection over HTTP/2. A request that nobody reads yet may have streamBuffer bytes in memory.
	maxStreams   = 100
	streamBuffer = 256 << 10
	pingAfter    = 30 * time.Second // without a frame from the client
)

// HTTP has the settings of an HTTP server.
type HTTP struct {
	Addr       string        `name:"http-addr" help:"Address to listen on, host:port; port 0 takes a free one." env:"HTTP_ADDR"`
	MaxConns   int           `name:"http-max-conns" help:"Most open connections, and most requests at once; any more connections are closed, any more requests over HTTP/2 get 503." env:"HTTP_MAX_CONNS"`
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

// Listen starts to serve the routes of all started parts and the health endpoints, and returns the address. The middleware authenticate
// wraps the routes of parts, not the health endpoints; it is nil where no part has routes.
func (p *Process) Listen(ctx context.Context, h HTTP, authenticate Middleware) (addr string, err error) {
	if err := p.profiles(ctx, h.PprofAddr); err != nil {
		return "", err
	}
	m := newMetrics(p.Metrics)
	drain := make(chan struct{})
	server := &http.Server{
		Handler:           p.router(m, authenticate, h.MaxConns),
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: streamBuffer, MaxReceiveBufferPerStream: streamBuffer,
			SendPingTimeout: pingAfter, WriteByteTimeout: p.limits.send,
		},
		ConnContext: withConn,
		ConnState:   track,
		ErrorLog:    slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug), // errors of clients
		BaseContext: func(net.Listener) context.Context { return api.WithDrain(context.Background(), drain) },
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)         // with prior knowledge, as load balancers and proxies can be configured
	server.RegisterOnShutdown(func() { close(drain) }) // ends answers that never end by themselves, such as tails
	var ln *limited
	part := Part{
		Name: "http",
		Start: func(ctx context.Context) error {
			inner, err := new(net.ListenConfig).Listen(ctx, "tcp", h.Addr)
			if err != nil {
				return fmt.Errorf("HTTP_ADDR: %w", err)
			}
			ln = &limited{Listener: inner, limits: p.limits, free: make(chan struct{}, h.MaxConns), refused: m.refused}
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

func serve(ctx context.Context, server *http.Server, ln *limited, delay time.Duration) error {
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
		ln.hurry.Store(true)
		_ = server.Close() // aborts requests that are still in flight; their callers get no answer
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Router returns the handler that Listen serves.
func (p *Process) Router(authenticate Middleware) chi.Router {
	var h HTTP
	h.Defaults()
	return p.router(newMetrics(p.Metrics), authenticate, h.MaxConns)
}

// router returns the handler for all routes, for at most most requests at once.
func (p *Process) router(m *metrics, authenticate Middleware, most int) chi.Router {
	r := chi.NewRouter()
	r.Use(p.measure(m), p.recovered, withoutSlash, routable)
	r.MethodNotAllowed(notAllowed)
	if p.CORS != nil {
		r.Use(p.CORS)
	}
	health := p.health()
	p.Metrics.MustRegister(newReadiness(health))
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
		r.Use(p.guard(authenticate, most))
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

// routable answers every HEAD like its GET, without the body: chi's middleware.GetHead does so only where no route matches HEAD, but our
// routes for unknown paths match every method. It routes a method that no route uses as TRACE: for a method that it does not know, chi
// would answer outside of the path's envelope, and without the header Allow.
func routable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodHead:
			chi.RouteContext(r.Context()).RouteMethod = http.MethodGet
		case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete:
		default:
			chi.RouteContext(r.Context()).RouteMethod = http.MethodTrace
		}
		next.ServeHTTP(w, r)
	})
}

// notAllowed answers for the paths that belong to no dialect.
func notAllowed(w http.ResponseWriter, r *http.Request) {
	all := api.Methods(r, func(string) bool { return true })
	w.Header().Set("Allow", strings.Join(all, ", "))
	http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
}

// withoutSlash takes a path with a slash at its end for the same path without it. An escaped slash belongs to the last segment.
func withoutSlash(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		escaped := r.URL.RawPath
		if len(r.URL.Path) > 1 && strings.HasSuffix(r.URL.Path, "/") && (escaped == "" || strings.HasSuffix(escaped, "/")) {
			u := *r.URL
			u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(escaped, "/")
			own := *r
			own.URL = &u
			r = &own
		}
		next.ServeHTTP(w, r)
	})
}
