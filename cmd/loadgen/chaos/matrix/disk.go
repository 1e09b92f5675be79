package matrix

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
	"github.com/activitylog/activitylog/cmd/loadgen/client"
)

// diskBytes are the sizes of disks that are to be full. A partition of the broker takes up to 16 MiB that are never dropped, and
// the engine keeps parts that have been merged for eight minutes, which would be what it waits for on a small disk.
var diskBytes = map[string]int64{chaos.Broker: 256 << 20, chaos.Engine: 1 << 30}

// diskFull gives broker and engine small disks, and fills one, the other, then both, while entries are written.
func diskFull(ctx context.Context, t *trial) (err error) {
	cfg := t.base()
	cfg.Duration = max(cfg.Duration, 45*time.Second)
	folders := map[string]string{}
	for _, member := range []string{chaos.Broker, chaos.Engine} {
		folders[member] = filepath.Join(t.Dir, "disk-"+member)
		disk, mountErr := mountDisk(folders[member], diskBytes[member])
		if mountErr != nil {
			return mountErr
		}
		defer func() { err = errors.Join(err, disk.unmount()) }()
	}
	slowest := map[string]time.Duration{}
	err = t.play(ctx, cfg, chaos.Script{
		Plan:  func(p *chaos.Plan) { p.Folders, p.Relays = folders, false },
		Begin: func(_ context.Context, r *chaos.Run) error { r.Full = true; return nil },
		Strike: func(ctx context.Context, r *chaos.Run, _ uint64) {
			for n := 0; ctx.Err() == nil || n < 3; n++ {
				chaos.Sleep(context.WithoutCancel(ctx), 3*time.Second)
				members := [][]string{{chaos.Broker}, {chaos.Engine}, {chaos.Broker, chaos.Engine}}[n%3]
				took, err := fillDisks(context.WithoutCancel(ctx), r, folders, members)
				if err != nil {
					r.Violation("%v full: %v", members, err)
				}
				name := strings.Join(members, " and ")
				slowest[name] = max(slowest[name], took)
			}
		},
	})
	if err != nil {
		return err
	}
	t.figure("writes answered 507", "%d", t.rep.Report.Counts["writes answered 507"])
	t.figure("acknowledged while the engine's disk was full", "%d", t.rep.Report.Counts["acknowledged while only the engine's disk is full"])
	for _, name := range slices.Sorted(maps.Keys(slowest)) {
		t.figure("stored again after the space of "+name+" was back", "%v", chaos.Round(slowest[name]))
	}
	if t.rep.Report.Counts["writes answered 507"] == 0 {
		t.fail("no write was answered 507")
	}
	return nil
}

// fillDisks takes all space from the members for some seconds, gives it back, and says how long it then took until
// everything acknowledged was stored. None of them is started again.
func fillDisks(ctx context.Context, r *chaos.Run, folders map[string]string, members []string) (time.Duration, error) {
	before := r.Counted("acknowledgements")
	for _, m := range members {
		if err := fill(ctx, ballast(folders[m]), diskBytes[m]/256); err != nil {
			return 0, err
		}
		r.Struck("disk full: " + m)
	}
	chaos.Sleep(ctx, 6*time.Second)
	if !slices.Contains(members, chaos.Broker) {
		r.Count("acknowledged while only the engine's disk is full", r.Counted("acknowledgements")-before)
	}
	for _, m := range members {
		if err := os.Remove(ballast(folders[m])); err != nil {
			return 0, fmt.Errorf("give space back: %w", err)
		}
	}
	begun := time.Now()
	w := r.NewWorker(0)
	defer w.Close()
	var err error
	for taken := false; !taken && err == nil; {
		i := w.Model.Take(1, false)
		w.Body = w.Source.Append(w.Body[:0], i, "")
		taken = w.Post(&client.Request{ContentType: "application/json", Body: w.Body}, i, 1)
		if time.Since(begun) > chaos.DrainTimeout {
			err = errors.New("no write is taken although there is space")
		}
	}
	err = errors.Join(err, r.Drain(ctx))
	for _, m := range []string{chaos.Broker, chaos.Engine} {
		if !r.Cluster.Process(m).Running() {
			err = errors.Join(err, fmt.Errorf("%s ended by itself", m))
		}
	}
	return time.Since(begun), err
}

func ballast(dir string) string { return filepath.Join(dir, "ballast") }

// fillTime is how long a disk takes to become full. What is kept in reserve is enough for what is under way when that is
// reached; nothing is for a disk that loses all its space at once.
const fillTime = 3 * time.Second

// fill writes a file until the disk takes no more.
func fill(ctx context.Context, name string, step int64) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	for size := step; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
			continue
		}
		if size == step {
			chaos.Sleep(ctx, fillTime/256)
		}
	}
	return f.Close()
}
