package process

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// FreeAddr returns a loopback address that nobody listens on. Its port is below those that the system gives to connections and to
// listeners that ask for any port (net.ipv4.ip_local_port_range), so that none of them takes it meanwhile.
func FreeAddr() (string, error) {
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			return addr, l.Close()
		}
	}
	return "", errors.New("find a free port: 100 are taken")
}

// AwaitReady waits until GET http://addr/readyz is answered with 200. It gives up when ctx ends or, at once, when p does.
func (p *Process) AwaitReady(ctx context.Context, addr string) error {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		res, err := client.Get("http://" + addr + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("HTTP %d", res.StatusCode)
		}
		if !p.Running() {
			return fmt.Errorf("%s exited before it was ready; see %s", p.Name, p.Log)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", p.Name, err)
		case <-tick.C:
		}
	}
}
