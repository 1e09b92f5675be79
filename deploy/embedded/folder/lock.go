package folder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

var (
	// ErrLocked means that another process, or another user of the folder in this process, holds the lock.
	ErrLocked = errors.New("data folder is in use")
	// ErrCopied means that the folder is a copy that was made while a process used the original. Such a copy has files of different
	// moments. In one that was made at 48,000 entries a second, a partition's log ended at offset 515, but 533 was stored: new entries
	// would have got offsets of stored ones.
	ErrCopied = errors.New("data folder is a copy of one in use")
)

// Held is a folder that this process holds.
type Held struct {
	file *os.File
}

// Lock takes the lock file name in dir, which must exist. The file names the process that holds the folder, and says whether the folder
// is in use, with the inode of the file itself. After a crash the file is still the same; a copy has another inode. A copy that is made
// after Release can be used.
//
// The error is ErrLocked and names the holder if there is one, and ErrCopied for a copy of a folder in use.
func Lock(dir, name string) (*Held, error) {
	path := filepath.Join(dir, name)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if err := hold(file); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), file.Close())
	}
	return &Held{file}, nil
}

func hold(file *os.File) error {
	dir := filepath.Dir(file.Name())
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	text, _ := io.ReadAll(io.LimitReader(file, 1<<10)) // an unreadable file counts as empty
	holder, use, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("%w: %s is held by process %s", ErrLocked, dir, holder)
	}
	if err != nil {
		return err
	}
	mine, err := inUse(file)
	if err != nil {
		return err
	}
	if strings.HasPrefix(use, inUsePrefix) && use != mine {
		return fmt.Errorf("%w: %s was copied while a process used the original, so files do not fit together: stop that process and copy again. "+
			"If nothing wrote to the original during the copy, remove %s and start again", ErrCopied, dir, file.Name())
	}
	return write(file, mine)
}

// The states in the second line of a lock file; an inode follows the first one.
const (
	inUsePrefix = "in use, inode "
	closed      = "closed"
)

// inUse returns the line that a process writes which holds the file.
func inUse(file *os.File) (string, error) {
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", errors.New("the file has no inode")
	}
	return fmt.Sprint(inUsePrefix, stat.Ino), nil
}

func write(file *os.File, use string) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt(fmt.Appendf(nil, "%d\n%s\n", os.Getpid(), use), 0)
	return err
}

// Release marks the folder as closed and releases the lock. All data must have been written.
func (h *Held) Release() error {
	return errors.Join(write(h.file, closed), h.Close())
}

// Close releases the lock as a crash does: the file still says that the folder is in use.
func (h *Held) Close() error { return h.file.Close() }

// InUse reports whether a process holds the folder.
func InUse(dir, name string) bool {
	file, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return false
	}
	defer file.Close()
	return errors.Is(syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}
