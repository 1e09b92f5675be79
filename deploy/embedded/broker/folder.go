package broker

import (
	"fmt"
	"os"

	"github.com/activitylog/activitylog/deploy/embedded/folder"
)

// ErrLocked means that another process holds the data folder.
var ErrLocked = folder.ErrLocked

// lockFolder makes dir and takes its lock.
func lockFolder(dir string) (*folder.Held, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil { // other users may read nothing, whatever the mode was
		return nil, fmt.Errorf("protect data folder: %w", err)
	}
	return folder.Lock(dir, "lock")
}

// password returns the configured password, otherwise the one that is kept in the data folder.
func password(cfg Config) (string, error) {
	if cfg.Password != "" || cfg.NoPassword {
		return cfg.Password, nil
	}
	return folder.Password(cfg.DataDir)
}
