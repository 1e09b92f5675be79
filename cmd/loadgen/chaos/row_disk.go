package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// diskBytes is the size of a disk that is to be full. A partition of the broker takes up to 16 MiB that are never dropped.
const diskBytes = 256 << 20

// diskFull gives broker and engine small disks, and fills one, the other, then both, while entries are written.
func diskFull(ctx context.Context, t *trial) (err error) {
	cfg := t.base()
	cfg.Duration = max(cfg.Duration, 45*time.Second)
	folders := map[string]string{}
	for _, member := range []string{Broker, Engine} {
		folders[member] = filepath.Join(t.Dir, "disk-"+member)
		disk, mountErr := mountDisk(folders[member], diskBytes)
		if mountErr != nil {
			return mountErr
		}
		defer func() { err = errors.Join(err, disk.unmount()) }()
	}
	var slowest time.Duration
	err = t.play(ctx, cfg, script{
		plan: func(p *Plan) { p.Folders, p.Relays = folders, false },
		strike: func(ctx context.Context, r *run, _ uint64) {
			r.full = true
			for n := 0; ctx.Err() == nil || n < 3; n++ {
				sleep(ctx, 4*time.Second)
				members := [][]string{{Broker}, {Engine}, {Broker, Engine}}[n%3]
				took, err := r.fillDisks(context.WithoutCancel(ctx), folders, members)
				if err != nil {
					r.violation("%v full: %v", members, err)
				}
				slowest = max(slowest, took)
			}
		},
	})
	if err != nil {
		return err
	}
	t.figure("writes answered 507", "%d", t.rep.Report.Tally["writes answered 507"])
	t.figure("acknowledged while the engine's disk was full", "%d", t.rep.Report.Tally["acknowledged while only the engine's disk is full"])
	t.figure("stored again after the space was back", "%v", round(slowest))
	if t.rep.Report.Tally["writes answered 507"] == 0 {
		t.fail("no write was answered 507")
	}
	return nil
}

// fillDisks takes all space from the members for some seconds, gives it back, and says how long it then took until
// everything acknowledged was stored. None of them is started again.
func (r *run) fillDisks(ctx context.Context, folders map[string]string, members []string) (time.Duration, error) {
	before := r.tallied("acknowledgements")
	for _, m := range members {
		if err := fill(ballast(folders[m])); err != nil {
			return 0, err
		}
		r.struck("disk full: " + m)
	}
	sleep(ctx, 6*time.Second)
	if !slices.Contains(members, Broker) {
		r.count("acknowledged while only the engine's disk is full", r.tallied("acknowledgements")-before)
	}
	for _, m := range members {
		if err := os.Remove(ballast(folders[m])); err != nil {
			return 0, fmt.Errorf("give space back: %w", err)
		}
	}
	begun := time.Now()
	acknowledged := r.tallied("acknowledgements")
	err := r.drain(ctx)
	for r.tallied("acknowledgements") == acknowledged && err == nil {
		if time.Since(begun) > drainPatience {
			err = errors.New("no write is taken although there is space")
		}
		sleep(ctx, 20*time.Millisecond)
	}
	for _, m := range []string{Broker, Engine} {
		if !r.cluster.Process(m).Running() {
			err = errors.Join(err, fmt.Errorf("%s ended by itself", m))
		}
	}
	return time.Since(begun), err
}

func (r *run) tallied(what string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tally[what]
}

func ballast(dir string) string { return filepath.Join(dir, "ballast") }

// fill writes a file until the disk takes no more.
func fill(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	return f.Close()
}
