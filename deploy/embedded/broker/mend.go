package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// settings are kfake's files that would outlive what this process was configured with: it prefers users and settings of an
// earlier run to those it is given, and group members that have ended with it hold up the group until they time out.
var settings = []string{"sasl.json", "broker_configs.json", "session_state.json"}

// mend brings kfake's folder into a state that it reads fully: settings of an earlier run go, and its journals lose what a
// crash or a full disk left half written. kfake reads a journal up to the first bad entry but appends behind it, so that
// commits after a torn one would be lost at the next start.
func mend(dir string, log *slog.Logger) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make log folder: %w", err)
	}
	for _, name := range settings {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", name, err)
		}
	}
	for _, name := range []string{"groups.log", "pids.log"} {
		if err := mendJournal(filepath.Join(dir, name), log); err != nil {
			return fmt.Errorf("mend %s: %w", name, err)
		}
	}
	return mendLogs(dir)
}

func mendJournal(path string, log *slog.Logger) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	whole := wholeEntries(raw)
	if len(whole) == len(raw) {
		return nil
	}
	log.Warn("embedded broker dropped torn journal entries", "file", path, "bytes", len(raw)-len(whole))
	return replace(path, whole)
}

// replace puts data in path's place, whole or not at all.
func replace(path string, data []byte) error {
	tmp := path + ".mended"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// wholeEntries is raw without the bytes that belong to no entry. An entry is a length (uint32, little endian, of what
// follows the checksum), a CRC-32C and a body; a bad byte is skipped until an entry begins again.
func wholeEntries(raw []byte) []byte {
	whole := make([]byte, 0, len(raw))
	for len(raw) > 0 {
		n := entryBytes(raw)
		if n == 0 {
			raw = raw[1:]
			continue
		}
		whole = append(whole, raw[:n]...)
		raw = raw[n:]
	}
	return whole
}

// entryBytes is the size of the entry at the start of raw; 0 when there is no whole one.
func entryBytes(raw []byte) int {
	const header, version = 8, 2
	if len(raw) < header+version {
		return 0
	}
	n := int64(binary.LittleEndian.Uint32(raw))
	if n < version || n > int64(len(raw)-header) {
		return 0
	}
	if crc32.Checksum(raw[header:header+n], castagnoli) != binary.LittleEndian.Uint32(raw[4:]) {
		return 0
	}
	return header + int(n)
}
