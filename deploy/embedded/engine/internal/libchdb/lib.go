// Package libchdb binds libchdb, ClickHouse as a shared library, without cgo.
//
// It promises four things that the C interface does not. The process's signal actions survive every connect: the library resets
// SIGSEGV and similar signals to the default, after which a recovered nil dereference would end the process. No data is ever
// inserted into the text of a statement. No data is read from standard input, which is empty once the library is loaded. Settings of
// one query do not affect the next query on its connection.
//
// A process has one engine with one data folder. Connections are opened at start and kept.
package libchdb

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// ErrRefused means that the library did not open the data folder, usually because another process has it open.
var ErrRefused = errors.New("engine library refused to open the data folder")

// library has the C functions of libchdb, with the signatures of chdb.h 26.5.
type library struct {
	connect     func(argc int32, argv unsafe.Pointer) *uintptr
	closeConn   func(conn *uintptr)
	query       func(conn uintptr, q unsafe.Pointer, qn uintptr, f unsafe.Pointer, fn uintptr) uintptr
	queryParams func(conn uintptr, q unsafe.Pointer, qn uintptr, f unsafe.Pointer, fn uintptr,
		names, nameLens, values, valueLens unsafe.Pointer, n uintptr) uintptr
	stream       func(conn uintptr, q unsafe.Pointer, qn uintptr, f unsafe.Pointer, fn uintptr) uintptr
	streamParams func(conn uintptr, q unsafe.Pointer, qn uintptr, f unsafe.Pointer, fn uintptr,
		names, nameLens, values, valueLens unsafe.Pointer, n uintptr) uintptr
	fetch     func(conn, result uintptr) uintptr
	cancel    func(conn, result uintptr)
	destroy   func(result uintptr)
	buffer    func(result uintptr) unsafe.Pointer
	length    func(result uintptr) uintptr
	written   func(result uintptr) uint64
	writtenB  func(result uintptr) uint64
	read      func(result uintptr) uint64
	readB     func(result uintptr) uint64
	failure   func(result uintptr) unsafe.Pointer
	catchSigs func(enabled int32)
}

var (
	loading sync.Mutex // guards loaded and loadedFrom
	loaded  *library
	signals *signalActions
)

// Load loads the library at path into the process, once. Later calls do nothing, whatever their path.
func Load(path string) error {
	loading.Lock()
	defer loading.Unlock()
	if loaded != nil {
		return nil
	}
	saved, err := saveSignalActions()
	if err != nil {
		return err
	}
	if err := errors.Join(useUTC(), leaveInput()); err != nil {
		return err
	}
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	saved.restore()
	if err != nil {
		return fmt.Errorf("load engine library %s: %w", path, err)
	}
	lib, err := bind(handle)
	if err != nil {
		return fmt.Errorf("engine library %s: %w", path, err)
	}
	lib.catchSigs(0)
	saved.restore()
	loaded, signals = lib, saved
	return nil
}

// bind resolves every function first, so that a library of another version is an error instead of a panic.
func bind(handle uintptr) (*library, error) {
	lib := &library{}
	for name, fn := range map[string]any{
		"chdb_connect":                     &lib.connect,
		"chdb_close_conn":                  &lib.closeConn,
		"chdb_query_n":                     &lib.query,
		"chdb_query_with_params_n":         &lib.queryParams,
		"chdb_stream_query_n":              &lib.stream,
		"chdb_stream_query_with_params_n":  &lib.streamParams,
		"chdb_stream_fetch_result":         &lib.fetch,
		"chdb_stream_cancel_query":         &lib.cancel,
		"chdb_destroy_query_result":        &lib.destroy,
		"chdb_result_buffer":               &lib.buffer,
		"chdb_result_length":               &lib.length,
		"chdb_result_rows_written":         &lib.written,
		"chdb_result_bytes_written":        &lib.writtenB,
		"chdb_result_storage_rows_read":    &lib.read,
		"chdb_result_storage_bytes_read":   &lib.readB,
		"chdb_result_error":                &lib.failure,
		"chdb_set_signal_handlers_enabled": &lib.catchSigs,
	} {
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("not the supported version: %w", err)
		}
		purego.RegisterFunc(fn, symbol)
	}
	return lib, nil
}
