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
	Out  string        `help:"Folder to write the profiles to." type:"path" default:".cache/profile"`
	Time time.Duration `help:"Over which CPU time is sampled." default:"20s"`
	Seed uint64        `help:"Of the workload." default:"42"`
	Bin  string        `help:"Folder of the binaries; that of loadgen itself if empty." type:"path"`
	Dir  string        `help:"Folder for the data; a temporary one if empty." type:"path"`
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
