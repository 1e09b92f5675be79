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

// settings lists files of kfake that would override this process's configuration: kfake prefers users and settings of an earlier run, and
// members of groups that ended with that run block their groups until they time out.
var settings = []string{"sasl.json", "broker_configs.json", "session_state.json"}

// mend repairs kfake's folder so that kfake reads it completely. It removes the settings of an earlier run, and the incomplete
// entries that a crash or a full disk left in journals. kfake reads a journal up to the first bad entry but appends after it, so
// commits after a torn entry would be lost at the next start.
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
	log.Warn("embedded broker removed torn journal entries", "file", path, "bytes", len(raw)-len(whole))
	return replace(path, whole)
}

// replace replaces the file at path by data, atomically.
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

// wholeEntries returns raw without the bytes that belong to no entry. An entry is the length of the body (uint32, little endian), a CRC-32C
// and the body. Bytes are skipped until an entry begins.
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

// entryBytes returns the size of the entry at the start of raw; 0 if there is no complete entry.
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
