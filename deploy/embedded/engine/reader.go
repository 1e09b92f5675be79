package engine

import (
	"encoding/xml"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ReaderName is the user for people and their tools, who only read.
const ReaderName = "reader"

const defaultUser = "default"

// Reader is a second user. It can only read, and only what it was granted: ClickHouse itself checks that, because the connections for
// this user have no other role. It has connections and limits of its own, so that heavy queries of people do not hold up the services.
type Reader struct {
	Password    string        // if empty, there is no such user
	Grants      []string      // such as "SELECT ON default.entries"
	Connections int           // statements that may run at a time, 2 if 0
	QueueWait   time.Duration // how long a statement may wait for a connection, 30 s if 0: a dashboard sends many at once
	MaxMemory   uint64        // bytes of all its statements together; a quarter of the engine's if 0, or 1 GB if that is not set
}

const readerMemory = 1 << 30

// complete sets the defaults of a reader of an engine with that much memory.
func (r *Reader) complete(engine uint64) {
	if r.Password == "" {
		*r = Reader{}
		return
	}
	if r.Connections == 0 {
		r.Connections = 2
	}
	if r.QueueWait == 0 {
		r.QueueWait = 30 * time.Second
	}
	if r.MaxMemory == 0 {
		r.MaxMemory = engine / 4
	}
	if r.MaxMemory == 0 {
		r.MaxMemory = readerMemory
	}
}

// limits are the settings that the user may lower and not raise. The memory is divided, because to ClickHouse all users are one.
func (r Reader) limits() map[string]uint64 {
	return map[string]uint64{
		"max_execution_time":                        60, // seconds
		"max_memory_usage":                          r.MaxMemory / uint64(r.Connections),
		"max_result_rows":                           10_000_000,
		"max_temporary_data_on_disk_size_for_query": 4 << 30, // bytes, of sorting and grouping beyond half of the memory
		"max_threads":                               uint64(max(1, runtime.NumCPU()/2)),
	}
}

// limit bounds the settings of a request, by name, and returns them with all limits.
func (r Reader) limit(asked map[string]string) []string {
	limits := r.limits()
	for name, most := range limits {
		if n, err := strconv.ParseFloat(asked[name], 64); err == nil && n > 0 && n < float64(most) {
			limits[name] = uint64(max(1, n))
		}
	}
	all := []string{"result_overflow_mode = 'throw'", "timeout_overflow_mode = 'throw'"}
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		all = append(all, fmt.Sprintf("%s = %d", name, limits[name]))
	}
	return all
}

// roles are the reader's role and its grants for the file of users, and the grant that lets the engine assume it.
func (r Reader) roles() (role, assume string) {
	if r.Password == "" {
		return "", ""
	}
	var grants strings.Builder
	for _, grant := range append([]string{"SELECT ON information_schema.*", "SELECT ON INFORMATION_SCHEMA.*"}, r.Grants...) {
		grants.WriteString("<query>GRANT ")
		_ = xml.EscapeText(&grants, []byte(grant))
		grants.WriteString("</query>")
	}
	return fmt.Sprintf("<%[1]s><grants>%[2]s</grants></%[1]s>", ReaderName, &grants), "<query>GRANT " + ReaderName + "</query>"
}
