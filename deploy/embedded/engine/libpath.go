package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// ErrLibrary means that the engine's library was not found.
var ErrLibrary = errors.New("engine library not found")

// LibPath finds libchdb: the path in CHDB_LIB_PATH, otherwise lib/libchdb.so or libchdb.so next to the binary, otherwise the cache folder
// that fetch.sh fills, in the working folder or a folder above it.
func LibPath() (string, error) {
	if path := os.Getenv("CHDB_LIB_PATH"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%w: CHDB_LIB_PATH: %w", ErrLibrary, err)
		}
		return path, nil
	}
	for _, path := range candidates() {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: run deploy/embedded/engine/fetch.sh (make does it), or set CHDB_LIB_PATH to libchdb.so 26.5", ErrLibrary)
}

func candidates() []string {
	var list []string
	if binary, err := os.Executable(); err == nil {
		folder := filepath.Dir(binary)
		list = append(list, filepath.Join(folder, "libchdb.so"), filepath.Join(folder, "lib", "libchdb.so"))
		list = append(list, cached(folder)...)
	}
	if folder, err := os.Getwd(); err == nil {
		list = append(list, cached(folder)...)
	}
	return list
}

// cached lists the paths of the cache in folder and in all folders above it.
func cached(folder string) []string {
	var list []string
	for {
		list = append(list, filepath.Join(folder, ".cache", "chdb", platform(), "libchdb.so"))
		above := filepath.Dir(folder)
		if above == folder {
			return list
		}
		folder = above
	}
}

// platform returns the suffix of the npm package's name: linux-x64-gnu, linux-arm64-gnu, darwin-x64, darwin-arm64.
func platform() string {
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	if runtime.GOOS == "linux" {
		return "linux-" + arch + "-gnu"
	}
	return runtime.GOOS + "-" + arch
}
