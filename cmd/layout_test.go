package cmd_test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/activitylog/activitylog/"

type pkg struct {
	ImportPath   string
	Dir          string
	Name         string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

// list returns what go list says about the packages.
func list(t *testing.T, patterns ...string) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Dir,Name,GoFiles,Imports,TestImports,XTestImports,Deps"}, patterns...)...)
	cmd.Dir = ".."
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	dec := json.NewDecoder(out)
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("go list: %v", err)
	}
	return all
}

// shipped removes the packages that only tests import.
func shipped(all []pkg) []pkg {
	imported := map[string]bool{}
	for _, p := range all {
		for _, i := range p.Imports {
			imported[i] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(p pkg) bool {
		byTests := slices.ContainsFunc(all, func(q pkg) bool {
			return slices.Contains(q.TestImports, p.ImportPath) || slices.Contains(q.XTestImports, p.ImportPath)
		})
		return byTests && !imported[p.ImportPath]
	})
}

// under reports whether path is one of these folders or below it.
func under(path string, folders ...string) bool {
	for _, folder := range folders {
		if rest, ok := strings.CutPrefix(path, module+folder); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// The import arrows: schema <- ingest/collector, ingest/consumer, query <- query/dialect/* <- cmd/*. The arrows within query are in layers.
var arrows = []struct {
	from  string
	never []string
}{
	{from: "schema", never: []string{"cmd", "deploy", "ingest", "query"}},
	{from: "ingest/collector", never: []string{"cmd", "deploy", "query", "ingest/consumer", "schema/clickhouse"}},
	{from: "ingest/collector/internal/decode", never: []string{"ingest/collector/internal/publish", "schema/api", "schema/kafka"}},
	{from: "ingest/collector/internal/publish", never: []string{"ingest/collector/internal/decode"}},
	{from: "ingest/consumer", never: []string{"cmd", "deploy", "query", "ingest/collector"}},
	{from: "query", never: []string{"cmd", "deploy", "ingest"}},
	{from: "deploy", never: []string{"cmd", "ingest", "query"}},
	{from: "cmd/internal", never: []string{"deploy"}},
}

func TestArrows(t *testing.T) {
	for _, p := range shipped(list(t, "./...")) {
		for _, a := range arrows {
			if !under(p.ImportPath, a.from) {
				continue
			}
			for _, i := range p.Imports {
				if under(i, a.never...) {
					t.Errorf("%s imports %s", p.ImportPath, i)
				}
			}
		}
	}
}

// layers lists the packages of query from the bottom up: each may import those before it. query/actions is beside query.
var layers = []string{"query/db", "query/stored", "query/visible", "query", "query/erase", "query/retain", "query/backend"}

func TestLayersOfQuery(t *testing.T) {
	for _, p := range list(t, "./query/...") {
		at := slices.Index(layers, strings.TrimPrefix(p.ImportPath, module))
		switch {
		case p.ImportPath == module+"query/actions":
			at = slices.Index(layers, "query")
		case under(p.ImportPath, "query/dialect"):
			at = slices.Index(layers, "query/backend") // which only puts the layers together
		case under(p.ImportPath, "query/internal/fixture/pipeline"):
			continue
		}
		for _, i := range p.Imports {
			if layer := slices.Index(layers, strings.TrimPrefix(i, module)); layer >= 0 && layer >= at {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
			if i == module+"query/actions" && p.ImportPath != module+"query/backend" {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}

// maxFiles bounds the files of a package, without tests: with more, a reader no longer sees what it does.
const maxFiles = 16

func TestPackagesAreSmall(t *testing.T) {
	for _, p := range list(t, "./...") {
		if len(p.GoFiles) > maxFiles {
			t.Errorf("%s has %d files, want at most %d", p.ImportPath, len(p.GoFiles), maxFiles)
		}
	}
}

// The layers of query know no dialect, and no dialect knows another; what several need is in query/dialect/internal.
func TestDialectsStandAlone(t *testing.T) {
	const dialects = "query/dialect"
	for _, p := range list(t, "./query/...") {
		for _, i := range p.Imports {
			if !under(i, dialects) || i == p.ImportPath || under(i, dialects+"/internal") && under(p.ImportPath, dialects) {
				continue
			}
			if !under(i, strings.TrimPrefix(p.ImportPath, module)) || p.ImportPath == module+"query" {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}

func TestEmbeddedIsForStandaloneAndTests(t *testing.T) {
	for _, p := range shipped(list(t, "./...")) {
		if under(p.ImportPath, "deploy/embedded", "cmd/standalone", "cmd/loadgen") {
			continue
		}
		for _, i := range p.Imports {
			if under(i, "deploy/embedded") {
				t.Errorf("%s imports %s outside of its tests", p.ImportPath, i)
			}
		}
	}
}

// What a binary must not link, by prefix of the import path.
func TestBinariesLinkTheirHalf(t *testing.T) {
	const clickhouse, kfake, purego = "github.com/ClickHouse/", "github.com/twmb/franz-go/", "github.com/ebitengine/purego"
	for binary, never := range map[string][]string{
		"collector":   {clickhouse, kfake, purego, module + "query", module + "ingest/consumer", module + "deploy"},
		"consumer":    {kfake, purego, "github.com/golang-jwt/", "github.com/go-jose/", module + "query", module + "ingest/collector", module + "deploy"},
		"query":       {kfake, purego, module + "ingest", module + "deploy"},
		"activityctl": {kfake, purego, module + "ingest", module + "query", module + "deploy"},
		"standalone":  {"testing", module + "deploy/embedded/testbed"},
	} {
		for _, p := range list(t, "./cmd/"+binary) {
			for _, dep := range p.Deps {
				if slices.ContainsFunc(never, func(prefix string) bool { return strings.HasPrefix(dep, prefix) }) {
					t.Errorf("%s links %s", binary, dep)
				}
			}
		}
	}
}

func TestPackagesSayWhatTheyPromise(t *testing.T) {
	for _, p := range list(t, "./...") {
		documented := len(p.GoFiles) == 0 // tests only
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatalf("parse: %v", err)
			}
			begins := []string{"Package " + p.Name + " "}
			if p.Name == "main" {
				name := filepath.Base(p.ImportPath)
				begins = []string{"Command " + name + " ", strings.ToUpper(name[:1]) + name[1:] + " "}
			}
			documented = documented || slices.ContainsFunc(begins, func(b string) bool { return strings.HasPrefix(file.Doc.Text(), b) })
		}
		if !documented && !strings.HasSuffix(p.ImportPath, "/activitypb") { // generated
			t.Errorf("%s: no package comment in the form that go doc expects", p.ImportPath)
		}
	}
}
