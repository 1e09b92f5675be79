package engine

import (
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/activitylog/activitylog/deploy/embedded/folder"
)

// ErrLocked means that another process, or another engine of this one, holds the data folder.
var ErrLocked = folder.ErrLocked

// dataFolder is a data folder that this process holds: the lock, the engine's settings and its data.
type dataFolder struct {
	path    string
	lock    *folder.Held
	reserve int64 // bytes of the disk that stay free
}

func openFolder(c Config) (*dataFolder, error) {
	path, err := filepath.Abs(c.DataDir)
	if err != nil {
		return nil, fmt.Errorf("engine: data folder: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("engine: make the data folder: %w", err)
	}
	lock, err := folder.Lock(path, "engine.lock")
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	f := &dataFolder{path: path, lock: lock, reserve: c.Reserve}
	if f.reserve == 0 {
		_, total, err := folder.Space(path)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("engine: %w", err), f.close())
		}
		f.reserve = folder.DefaultReserve(total)
	}
	if err := errors.Join(f.mend(c.Log), f.writeSettings(c.MaxMemory, c.Reader)); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// close releases the folder after a failed start.
func (f *dataFolder) close() error { return f.lock.Close() }

// release releases the folder; the engine has written everything.
func (f *dataFolder) release() error { return f.lock.Release() }

// ready returns an error while the disk has less free space than the reserve.
func (f *dataFolder) ready() error {
	free, total, err := folder.Space(f.path)
	if err == nil {
		err = folder.CheckReserve(free, total, f.reserve)
	}
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	return nil
}

// mend removes the empty mutation files that a full disk has left: ClickHouse does not open a table with such a file.
func (f *dataFolder) mend(log *slog.Logger) error {
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
		log.Warn("engine removed an empty mutation file", "file", name)
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("engine: remove an empty mutation: %w", err)
		}
	}
	return nil
}

// arguments returns the command line of the engine's first connection.
func (f *dataFolder) arguments() []string {
	return []string{"--path=" + filepath.Join(f.path, "clickhouse"), "--config-file=" + f.file("engine.xml")}
}

func (f *dataFolder) file(name string) string { return filepath.Join(f.path, name) }

// The reserve, for which statements are refused as well, is necessary: libchdb continues after a write that failed because the disk
// was full, and answers an INSERT with success although its part consists of empty files. So nothing may begin, merges included,
// that might not fit.
//
// The grants are a second protection behind the statement check: the engine's user cannot reach files, other hosts, users or
// dictionaries, whatever a statement says. They are in roles, so that connections can give up those of the services and keep the
// reader's. The profiler is off because it uses signals. Parts below 32 MB are merged soon, so they get LZ4; larger parts get ZSTD.
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
  <roles>
    <services><grants>
      <query>GRANT SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP, TRUNCATE, OPTIMIZE, CHECK, KILL QUERY, SYSTEM, TABLE ENGINE ON *.*</query>
    </grants></services>
    %s
  </roles>
  <users><default>
    <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
    <grants>
      <query>GRANT services</query>
      %s
    </grants>
  </default></users>
  <quotas><default></default></quotas>
</clickhouse>
`
)

func (f *dataFolder) writeSettings(maxMemory uint64, r Reader) error {
	server, user := "<max_server_memory_usage_to_ram_ratio>0.5</max_server_memory_usage_to_ram_ratio>", ""
	if maxMemory > 0 {
		server = fmt.Sprintf("<max_server_memory_usage>%d</max_server_memory_usage>", maxMemory)
		user = fmt.Sprintf("<max_memory_usage>%d</max_memory_usage>", maxMemory/2)
	}
	role, assume := r.roles()
	var users strings.Builder
	if err := xml.EscapeText(&users, []byte(f.file("users.xml"))); err != nil {
		return fmt.Errorf("engine: data folder's name: %w", err)
	}
	for name, text := range map[string]string{
		"engine.xml": fmt.Sprintf(serverSettings, users.String(), server, f.reserve),
		"users.xml":  fmt.Sprintf(userSettings, user, role, assume),
	} {
		if err := os.WriteFile(f.file(name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("engine: write settings: %w", err)
		}
	}
	return nil
}
