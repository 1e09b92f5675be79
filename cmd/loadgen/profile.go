package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/bench"
)

type profileCmd struct {
	Out  string        `help:"Folder for the profiles." type:"path" default:".cache/profile"`
	Time time.Duration `help:"Duration of the CPU samples." default:"20s"`
	Seed uint64        `help:"Seed of the workload." default:"42"`
	Bin  string        `help:"Folder of the binaries; empty: that of loadgen." type:"path"`
	Dir  string        `help:"Folder for the data; empty: a temporary one." type:"path"`
}

func (c *profileCmd) Run(ctx context.Context, out *output) (err error) {
	bin, err := binaries(c.Bin)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(c.Dir, "activitylog-profile-")
	if err != nil {
		return fmt.Errorf("make a folder for the data: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return bench.Profile(ctx, bench.ProfileConfig{Bin: bin, Dir: dir, Out: c.Out, Seed: c.Seed, Time: c.Time, Say: out.progress.Say})
}
