package matrix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
)

// anotherLog stores everything, replaces the broker that the tables were filled from by another one, and writes again: first nothing may be
// accepted, then everything, once the operator has adopted it.
func anotherLog(ctx context.Context, t *trial) error {
	if t.Nodes.Script != "" {
		return checkedBy("./cmd", "TestAnotherLogUnderTheSameTables")(ctx, t)
	}
	cfg := t.quiet()
	cfg.Duration /= 3
	var refused, accepted time.Duration
	err := t.play(ctx, cfg, chaos.Script{Finish: func(ctx context.Context, r *chaos.Run) error {
		for range 2 {
			if err := r.Recover(ctx); err != nil {
				return err
			}
			if err := errors.Join(r.Drain(ctx), r.AwaitQuiet(ctx)); err != nil {
				return err
			}
			if err := swapBroker(ctx, r); err != nil {
				return err
			}
			begun := time.Now()
			if err := awaitRefusal(ctx, r); err != nil {
				return err
			}
			refused, begun = max(refused, time.Since(begun)), time.Now()
			if err := adopt(ctx, r); err != nil {
				return err
			}
			for _, name := range []string{chaos.Consumer1, chaos.Consumer2, chaos.Collector, chaos.Query} {
				if _, err := r.Cluster.AwaitReady(ctx, name); err != nil {
					return err
				}
			}
			accepted = max(accepted, time.Since(begun))
			r.UnderLoad(ctx, func(ctx context.Context, _ uint64) { chaos.Sleep(ctx, cfg.Duration) })
		}
		return ctx.Err()
	}})
	t.figure("refused after at most", "%v", chaos.Round(refused))
	t.figure("accepted again, after adopt, after at most", "%v", chaos.Round(accepted))
	return err
}

// swapBroker kills everything but the engine, and starts it again with a new folder of the broker.
func swapBroker(ctx context.Context, r *chaos.Run) error {
	names := []string{chaos.Broker, chaos.Collector, chaos.Consumer1, chaos.Consumer2, chaos.Query}
	for _, name := range names {
		r.Cluster.Process(name).Kill()
	}
	if err := os.RemoveAll(filepath.Join(r.Cluster.Folder(chaos.Broker, "kafka"), "broker")); err != nil {
		return fmt.Errorf("remove the folder of the broker: %w", err)
	}
	r.Struck("broker replaced")
	r.ForgetPosition() // its offsets belong to an earlier log
	for _, name := range names {
		if err := r.Cluster.Process(name).Start(); err != nil {
			return err
		}
	}
	_, err := r.Cluster.AwaitReady(ctx, chaos.Broker)
	return err
}

// awaitRefusal waits until the collector and both consumers refuse the log, and name the command to run.
func awaitRefusal(ctx context.Context, r *chaos.Run) error {
	ctx, cancel := context.WithTimeout(ctx, chaos.DrainTimeout)
	defer cancel()
	for _, name := range []string{chaos.Collector, chaos.Consumer1, chaos.Consumer2} {
		for said := ""; !strings.Contains(said, "activityctl adopt"); chaos.Sleep(ctx, 50*time.Millisecond) {
			if ctx.Err() != nil {
				return fmt.Errorf("%s does not refuse another log; it says: %s", name, said)
			}
			said = get(ctx, r.Cluster.URL(name)+"/readyz")
		}
	}
	return nil
}

func get(ctx context.Context, url string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func adopt(ctx context.Context, r *chaos.Run) error {
	cmd := exec.CommandContext(ctx, filepath.Join(r.Cluster.Bin, "activityctl"), "adopt", "--yes")
	cmd.Env = append(os.Environ(), r.Cluster.Operator...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("activityctl adopt: %w: %s", err, out)
	}
	return nil
}
