package service

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof" //nolint:gosec // nothing serves the default mux that it registers with
)

// profiles starts to serve /debug/pprof/ on an address of its own, so that no proxy in front of the service leads there. It does
// nothing if addr is empty.
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
				p.Log.Info("serving profiles", "addr", ln.Addr().String())
			}
			return err
		},
		Run: func(ctx context.Context) error {
			context.AfterFunc(ctx, func() { _ = server.Close() }) // nobody waits for a profile that is being taken
			if err := server.Serve(ln); ctx.Err() == nil {
				return err
			}
			return nil
		},
	})
}
