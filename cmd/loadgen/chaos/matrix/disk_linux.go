package matrix

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// disk is a file system of a given size.
type disk struct{ dir string }

// mountDisk mounts a tmpfs. It takes root: of this machine, or of a namespace (unshare --user --map-root-user --mount).
func mountDisk(dir string, bytes int64) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a disk: %w", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		return nil, fmt.Errorf("mount a small disk: %w; run this row as root, or behind unshare --user --map-root-user --mount", err)
	}
	return &disk{dir}, nil
}

func (d *disk) unmount() error {
	if err := unix.Unmount(d.dir, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", d.dir, err)
	}
	return nil
}
