package service

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof" //nolint:gosec // what it registers with the default mux is served by nobody
)

// profiles starts to serve /debug/pprof/ at addr, apart from everything else, so that no proxy in front of the service can
// lead there. It does nothing when addr is empty.
func (p *Process) profiles(ctx context.Context, addr string) error {
	if addr == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug),
	}
	var ln net.Listener
	return p.Start(ctx, Part{
		Name: "profiles",
		Start: func(ctx context.Context) (err error) {
			if ln, err = new(net.ListenConfig).Listen(ctx, "tcp", addr); err == nil {
				p.Log.Info("profiles", "addr", ln.Addr().String())
			}
			return err
		},
		Run: func(ctx context.Context) error {
			context.AfterFunc(ctx, func() { _ = server.Close() }) // a profile under way is nothing to wait for
			if err := server.Serve(ln); ctx.Err() == nil {
				return err
			}
			return nil
		},
	})
}
