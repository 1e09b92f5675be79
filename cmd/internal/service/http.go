package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/activitylog/activitylog/schema/api"
)

const (
	headerTime     = 5 * time.Second
	idleTime       = 2 * time.Minute
	maxHeaderBytes = 16 << 10
	shutdownTime   = 4 * time.Second // of requests under way, within drainTime

	// A body has this long, and a second more for each slowBytes that it announces.
	bodyTime  = 15 * time.Second
	slowBytes = 64 << 10
)

// HTTP says where a process listens.
type HTTP struct {
	Addr       string        `name:"http-addr" help:"Address to listen at, host:port; port 0 takes a free one." env:"HTTP_ADDR"`
	MaxConns   int           `name:"http-max-conns" help:"Connections beyond this many are closed at once." env:"HTTP_MAX_CONNS"`
	DrainDelay time.Duration `help:"Time between saying not ready and taking no more connections, for load balancers." env:"DRAIN_DELAY"`
	PprofAddr  string        `help:"Address on loopback to serve Go's profiles at, /debug/pprof/; off when empty." env:"PPROF_ADDR"`
}

// Defaults sets all but the address, which each service has its own of.
func (h *HTTP) Defaults() { h.MaxConns = 4096 }

// Validate says what is wrong with h.
func (h HTTP) Validate() error {
	var faults []error
	if _, _, err := net.SplitHostPort(h.Addr); err != nil {
		faults = append(faults, fmt.Errorf("HTTP_ADDR: want host:port: %w", err))
	}
	if h.MaxConns < 1 {
		faults = append(faults, errors.New("HTTP_MAX_CONNS: must be above 0"))
	}
	if h.DrainDelay < 0 || h.DrainDelay > 2*time.Second {
		faults = append(faults, errors.New("DRAIN_DELAY: must be from 0 to 2s, so that a drain takes less than 10 s"))
	}
	if h.PprofAddr != "" && !Loopback(h.PprofAddr) {
		faults = append(faults, errors.New("PPROF_ADDR: must be a loopback address, host:port: profiles tell what is in memory"))
	}
	return errors.Join(faults...)
}

// Middleware stands before a handler.
type Middleware = func(http.Handler) http.Handler

// Listen starts to serve what the parts that were started offer, and the health endpoints, and returns the address. identify
// comes before what parts offer, not before the health endpoints; nil where no part offers anything.
func (p *Process) Listen(ctx context.Context, h HTTP, identify Middleware) (addr string, err error) {
	if err := p.profiles(ctx, h.PprofAddr); err != nil {
		return "", err
	}
	m := newMetrics(p.Metrics)
	drain := make(chan struct{})
	server := &http.Server{
		Handler:           p.router(m, identify),
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug), // what clients do wrong
		BaseContext:       func(net.Listener) context.Context { return api.WithDrain(context.Background(), drain) },
	}
	server.RegisterOnShutdown(func() { close(drain) }) // ends answers that have no end of their own
	var ln net.Listener
	part := Part{
		Name: "http",
		Start: func(ctx context.Context) error {
			inner, err := new(net.ListenConfig).Listen(ctx, "tcp", h.Addr)
			if err != nil {
				return err
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
		_ = server.Close() // what is still under way is cut off: its caller was told nothing
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Router is what Listen serves.
func (p *Process) Router(identify Middleware) chi.Router {
	return p.router(newMetrics(p.Metrics), identify)
}

func (p *Process) router(m *metrics, identify Middleware) chi.Router {
	r := chi.NewRouter()
	r.Use(m.measure, p.recovered, deadline, headIsGet)
	r.Get("/livez", p.livez)
	r.Get("/readyz", p.readyz(p.checks()))
	r.Get("/version", p.version)
	r.Get("/openapi.json", description())
	r.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(p.Metrics, promhttp.HandlerOpts{Registry: p.Metrics}))
	r.Group(func(r chi.Router) {
		if identify != nil {
			r.Use(identify)
		}
		for _, s := range p.stack {
			if s.Routes != nil {
				s.Routes(r)
			}
		}
	})
	return r
}

// Loopback reports whether only this machine reaches addr, a host:port.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// recovered turns a panic into a 500; the process lives, and what was panicked with is logged and never shown.
func (p *Process) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
				panic(v)
			}
			p.Log.Error("panic in a handler", "panic", fmt.Sprint(v), "method", r.Method, "route", route(r), "stack", string(debug.Stack()))
			writeJSON(w, http.StatusInternalServerError, struct {
				Code    int    `json:"code"`
				Message string `json:"message"`
				Data    any    `json:"data"`
			}{50001, "internal error", nil})
		}()
		next.ServeHTTP(w, r)
	})
}

// headIsGet has every HEAD answered as its GET would be, without the body. chi's middleware of that kind does so only where no
// route takes a HEAD, but those that answer for paths that do not exist take every verb.
func headIsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			chi.RouteContext(r.Context()).RouteMethod = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}

// deadline ends the reading of a body that comes too slowly.
func deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			allowed := bodyTime + time.Duration(max(r.ContentLength, 0)/slowBytes)*time.Second
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(allowed)) // a recorder in a test has none
		}
		next.ServeHTTP(w, r)
	})
}
