package broker

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// snapshot is the part of kfake's summary of a partition, snapshot.json, that this package needs. kfake writes it when it is closed.
// After a crash there is none that matches the files. kfake would then read the whole log into memory at once (478 MB for a log of
// 430 MB), and a partition whose only file is empty would begin at offset 0 again.
type snapshot struct {
	Version          int           `json:"version"`
	HighWatermark    int64         `json:"high_watermark"`
	LastStableOffset int64         `json:"last_stable_offset"`
	LogStartOffset   int64         `json:"log_start_offset"`
	Epoch            int32         `json:"epoch"`
	CreatedAt        time.Time     `json:"created_at"`
	Segments         []snapSegment `json:"segments"`
}

type snapSegment struct {
	Base int64 `json:"base_offset"`
	Size int64 `json:"size"`
}

// mendLogs writes a summary that matches its files for every partition under dir. It assumes that there are no transactions.
func mendLogs(dir string) error {
	if info, err := os.Stat(filepath.Join(dir, "pids.log")); err == nil && info.Size() > 0 {
		return nil // producers use transactions: kfake must read their outcomes itself
	}
	segments, err := listSegments(dir)
	if err != nil {
		return err
	}
	for len(segments) > 0 {
		n := 1
		for n < len(segments) && segments[n].topic == segments[0].topic && segments[n].partition == segments[0].partition {
			n++
		}
		if err := mendLog(segments[:n]); err != nil {
			return fmt.Errorf("mend the log of %s-%d: %w", segments[0].topic, segments[0].partition, err)
		}
		segments = segments[n:]
	}
	return nil
}

// mendLog does the same for one partition. files are in ascending order of offsets.
func mendLog(files []segment) error {
	path := filepath.Join(filepath.Dir(files[0].path), "snapshot.json")
	var old snapshot
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && json.Unmarshal(text, &old) == nil && old.fits(files) {
		return nil
	}
	last := &files[len(files)-1]
	end, epoch, err := cutTail(last)
	if err != nil {
		return err
	}
	s := snapshot{
		Version: 1, HighWatermark: end, LastStableOffset: end, LogStartOffset: min(max(files[0].base, old.LogStartOffset), end),
		Epoch: epoch, CreatedAt: files[0].written,
	}
	for _, f := range files {
		s.Segments = append(s.Segments, snapSegment{f.base, f.bytes})
	}
	text, err = json.Marshal(s)
	if err != nil {
		return err
	}
	return replace(path, text)
}

func (s *snapshot) fits(files []segment) bool {
	if len(s.Segments) != len(files) {
		return false
	}
	for i, f := range files {
		if s.Segments[i] != (snapSegment{f.base, f.bytes}) {
			return false
		}
	}
	return true
}

// cutTail truncates s after its last complete batch, and returns the offset after that batch and its epoch.
func cutTail(s *segment) (end int64, epoch int32, err error) {
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	end, whole := s.base, int64(0)
	in := bufio.NewReaderSize(f, 1<<20)
	for batch := []byte(nil); ; {
		batch, err = nextBatch(in, batch)
		if err != nil {
			break
		}
		whole += int64(len(batch))
		end = int64(binary.BigEndian.Uint64(batch)) + int64(int32(binary.BigEndian.Uint32(batch[23:]))) + 1
		epoch = int32(binary.BigEndian.Uint32(batch[12:]))
	}
	if !errors.Is(err, errTorn) && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	if whole < s.bytes {
		s.bytes = whole
		err = errors.Join(f.Truncate(whole), f.Sync())
	} else {
		err = nil
	}
	return end, epoch, err
}

var errTorn = errors.New("torn batch")

// nextBatch reads one batch into buf, in version 2 of Kafka's format (org.apache.kafka.common.record.DefaultRecordBatch): base
// offset, length of the rest, epoch, magic, then at byte 17 the CRC-32C of everything after it.
func nextBatch(in io.Reader, buf []byte) ([]byte, error) {
	const head, least, most = 12, 61, 1 << 30
	buf = append(buf[:0], make([]byte, head)...)
	if _, err := io.ReadFull(in, buf); err != nil {
		return nil, torn(err)
	}
	size := int64(binary.BigEndian.Uint32(buf[8:])) + head
	if size < least || size > most {
		return nil, errTorn
	}
	body, err := io.ReadAll(io.LimitReader(in, size-head)) // memory grows with the actual bytes, not with the announced length
	buf = append(buf, body...)
	if err != nil {
		return nil, err
	}
	if int64(len(buf)) < size || crc32.Checksum(buf[21:], castagnoli) != binary.BigEndian.Uint32(buf[17:]) {
		return nil, errTorn
	}
	return buf, nil
}

func torn(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return err
}
