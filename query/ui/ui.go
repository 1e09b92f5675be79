// Package ui serves the explorer: a page on which an operator of a fleet sees what happened, when and how often. It calls the public API
// like any other client, and nothing in the service exists for it alone. dist is built from the TypeScript beside it (make ui).
package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/go-chi/chi/v5"
)

//go:embed dist
var dist embed.FS

// policy is the Content-Security-Policy of the page. It runs and loads only files of this service, calls only this service, and writes
// no HTML from text.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// file is one file of the page.
type file struct {
	body, zipped []byte
	kind, tag    string
	page         bool
}

// UI is the page and its files.
type UI struct{ files map[string]file }

// New reads the page.
func New() *UI {
	u := &UI{files: map[string]file{}}
	entries, err := fs.ReadDir(dist, "dist")
	if err != nil {
		panic(err) // embedded
	}
	for _, e := range entries {
		body, err := dist.ReadFile("dist/" + e.Name())
		if err != nil {
			panic(err) // embedded
		}
		u.files[e.Name()] = fileOf(e.Name(), body)
	}
	return u
}

func fileOf(name string, body []byte) file {
	var zipped bytes.Buffer
	z, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression) // the level exists
	_, _ = z.Write(body)                                       // a buffer takes everything
	_ = z.Close()
	sum := sha256.Sum256(body)
	return file{body: body, zipped: zipped.Bytes(), kind: kindOf(name), tag: fmt.Sprintf(`"%x"`, sum[:8]), page: name == page}
}

// kinds lists the media types of the files. The types of the package mime depend on the machine.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
}

func kindOf(name string) string {
	if kind, ok := kinds[path.Ext(name)]; ok {
		return kind
	}
	return mime.TypeByExtension(path.Ext(name))
}

const page = "index.html"

// Routes registers the page at / and at /ui, and its files below it.
func (u *UI) Routes(r chi.Router) {
	r.Get("/", u.serve(func(*http.Request) string { return page }))
	r.Get("/ui", u.serve(func(*http.Request) string { return page }))
	r.Get("/ui/{file}", u.serve(func(r *http.Request) string { return chi.URLParam(r, "file") }))
}

// serve answers with a file. The page is asked for again each time; the other files have their content in their name.
func (u *UI) serve(name func(*http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f, ok := u.files[name(r)]
		if !ok || f.page && strings.HasSuffix(r.URL.Path, page) {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("ETag", f.tag)
		h.Set("Vary", "Accept-Encoding")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer") // addresses hold filters
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		if f.page {
			h.Set("Content-Security-Policy", policy)
			h.Set("Cache-Control", "no-cache")
		}
		if strings.Contains(r.Header.Get("If-None-Match"), f.tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.Set("Content-Type", f.kind)
		body := f.body
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			body = f.zipped
		}
		_, _ = w.Write(body) // the client has gone
	}
}
