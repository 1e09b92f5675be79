package engine

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrLocked means that another process, or another engine of this one, holds the data folder.
var ErrLocked = errors.New("data folder is in use")

// folder is a data folder that this process holds: the lock, the engine's settings and its data.
type folder struct {
	path    string
	lock    *os.File
	reserve int64 // bytes of the disk that stay free
}

func openFolder(c Config) (*folder, error) {
	path, err := filepath.Abs(c.DataDir)
	if err != nil {
		return nil, fmt.Errorf("engine: data folder: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("engine: make the data folder: %w", err)
	}
	f := &folder{path: path, reserve: c.Reserve}
	if err := f.hold(); err != nil {
		return nil, err
	}
	if f.reserve == 0 {
		_, total, err := f.space()
		if err != nil {
			return nil, errors.Join(err, f.close())
		}
		f.reserve = min(total/20, 2e9)
	}
	if err := errors.Join(f.mend(c.Log), f.writeSettings(c.MaxMemory)); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// hold takes the folder's lock, which the kernel lets go of however this process ends.
func (f *folder) hold() error {
	name := filepath.Join(f.path, "engine.lock")
	lock, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("engine: open the lock: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(name)
		return errors.Join(fmt.Errorf("engine: %w: %s is held by process %s", ErrLocked, f.path, bytes.TrimSpace(holder)), lock.Close())
	}
	f.lock = lock
	if err := lock.Truncate(0); err != nil {
		return errors.Join(fmt.Errorf("engine: write the lock: %w", err), lock.Close())
	}
	if _, err := fmt.Fprintln(lock, os.Getpid()); err != nil {
		return errors.Join(fmt.Errorf("engine: write the lock: %w", err), lock.Close())
	}
	return nil
}

func (f *folder) close() error { return f.lock.Close() }

// space is what the folder's disk has free and in all, in bytes.
func (f *folder) space() (free, total int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(f.path, &s); err != nil {
		return 0, 0, fmt.Errorf("engine: ask for free space: %w", err)
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), nil
}

// ready says that the disk has less free than the reserve.
func (f *folder) ready() error {
	free, _, err := f.space()
	if err == nil && free < f.reserve {
		err = fmt.Errorf("engine: disk is full: %d MB free, %d MB are kept in reserve", free/1e6, f.reserve/1e6)
	}
	return err
}

// mend takes away mutations that a full disk has left without a word: ClickHouse does not open a table that has one.
func (f *folder) mend(log *slog.Logger) error {
	names, err := filepath.Glob(filepath.Join(f.path, "clickhouse", "store", "*", "*", "mutation_*.txt"))
	if err != nil {
		return fmt.Errorf("engine: list mutations: %w", err)
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("engine: look at a mutation: %w", err)
		}
		if info.Size() > 0 {
			continue
		}
		log.Warn("engine forgets a mutation that was never written", "file", name)
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("engine: remove an empty mutation: %w", err)
		}
	}
	return nil
}

// arguments are the options of the engine's first connection.
func (f *folder) arguments() []string {
	return []string{"--path=" + filepath.Join(f.path, "clickhouse"), "--config-file=" + f.file("engine.xml")}
}

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

// The reserve, which statements are refused for as well, is more than a courtesy: libchdb goes on after a write that failed
// because the disk was full, and answers an INSERT with success whose part is files of no bytes. So nothing may begin, merges
// included, that might not fit.
//
// The grants are the wall behind the statement check: the engine's user cannot reach files, other hosts, users or
// dictionaries, whatever the text of a statement says. The profiler is off because it lives on signals. Parts below 32 MB are
// merged soon, so they get LZ4; the others ZSTD.
const (
	serverSettings = `<clickhouse>
  <users_config>%s</users_config>
  %s
  <compression><case>
    <min_part_size>33554432</min_part_size><min_part_size_ratio>0</min_part_size_ratio><method>zstd</method><level>1</level>
  </case></compression>
  <storage_configuration><disks><default><keep_free_space_bytes>%d</keep_free_space_bytes></default></disks></storage_configuration>
  <mark_cache_size>268435456</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
</clickhouse>
`
	userSettings = `<clickhouse>
  <profiles><default>
    %s
    <allow_introspection_functions>0</allow_introspection_functions>
    <query_profiler_cpu_time_period_ns>0</query_profiler_cpu_time_period_ns>
    <query_profiler_real_time_period_ns>0</query_profiler_real_time_period_ns>
  </default></profiles>
  <users><default>
    <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
    <grants>
      <query>GRANT SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP, TRUNCATE, OPTIMIZE, CHECK, KILL QUERY, SYSTEM, TABLE ENGINE ON *.*</query>
    </grants>
  </default></users>
  <quotas><default></default></quotas>
</clickhouse>
`
)

func (f *folder) writeSettings(maxMemory uint64) error {
	server, user := "<max_server_memory_usage_to_ram_ratio>0.5</max_server_memory_usage_to_ram_ratio>", ""
	if maxMemory > 0 {
		server = fmt.Sprintf("<max_server_memory_usage>%d</max_server_memory_usage>", maxMemory)
		user = fmt.Sprintf("<max_memory_usage>%d</max_memory_usage>", maxMemory/2)
	}
	var users strings.Builder
	if err := xml.EscapeText(&users, []byte(f.file("users.xml"))); err != nil {
		return fmt.Errorf("engine: data folder's name: %w", err)
	}
	for name, text := range map[string]string{
		"engine.xml": fmt.Sprintf(serverSettings, users.String(), server, f.reserve),
		"users.xml":  fmt.Sprintf(userSettings, user),
	} {
		if err := os.WriteFile(f.file(name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("engine: write settings: %w", err)
		}
	}
	return nil
}
