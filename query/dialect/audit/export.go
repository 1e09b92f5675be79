package audit

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
)

// Headers of an export. The snapshot comes before the body; the others are trailers. A body without them is incomplete.
const (
	ExportSnapshot = "X-Export-Snapshot"
	ExportRows     = "X-Export-Rows"
	ExportSHA256   = "X-Export-SHA256"
)

// encoding writes entries in one format. Close completes the document.
type encoding interface {
	Write(e *schema.Entry, it *item) error
	Close() error
}

// format is a format of an export.
type format struct {
	name, contentType string
	resumes           bool                                    // an export that broke off can be continued
	bom               bool                                    // it begins with a byte order mark
	encode            func(to *body, continued bool) encoding // continued: an earlier body already has the beginning
}

var formats = []format{
	{name: "ndjson", contentType: "application/x-ndjson", resumes: true, encode: newLines},
	{name: "csv", contentType: "text/csv; charset=utf-8; header=present", resumes: true, encode: newCSV},
	{name: "json", contentType: "application/json; charset=utf-8", resumes: true, encode: newArray},
	{name: "parquet", contentType: "application/vnd.apache.parquet", encode: newParquet},
}

// export streams every matching entry, oldest first. The number of entries and the checksum follow as trailers. If the export fails
// after its beginning, the connection is broken, so that nobody takes an incomplete body for a complete one.
func (a *API) export(w http.ResponseWriter, r *http.Request) (*answer, error) {
	if !r.ProtoAtLeast(1, 1) { // without the trailers the client cannot tell whether the body is complete
		w.Header().Set("Upgrade", "HTTP/1.1")
		w.Header().Set("Connection", "Upgrade")
		return nil, reply.ErrVersion
	}
	x, f, err := parseExport(r)
	if err != nil {
		return nil, err
	}
	if err := request.Await(r, a.store); err != nil {
		return nil, err
	}
	e, err := a.store.OpenExport(r.Context(), x)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	h := w.Header()
	h.Set(ExportSnapshot, e.Snapshot.String())
	if r.Method == http.MethodHead {
		exportHeaders(h, f)
		return nil, nil
	}
	to := newBody(w, func() { exportHeaders(h, f) })
	continued := x.After != query.Key{}
	if f.bom && !continued {
		_, _ = io.WriteString(to, reply.BOM) // into its buffer
	}
	err = deliver(e, r, to, f.encode(to, continued))
	switch {
	case err == nil:
		return nil, nil
	case !to.begun:
		h.Del(ExportSnapshot)
		return nil, err
	case r.Context().Err() == nil:
		a.log.ErrorContext(r.Context(), "export failed", slog.Uint64("entries", to.count), slog.Any("error", err))
	}
	panic(http.ErrAbortHandler)
}

// deliver writes all entries of e and the trailers.
func deliver(e *query.Exporting, r *http.Request, to *body, enc encoding) error {
	p, err := schema.PrincipalOf(r.Context())
	if err != nil {
		return err
	}
	err = e.Each(r.Context(), func(entry *schema.Entry) error {
		to.count++
		it := itemFor(p, entry)
		return enc.Write(entry, &it)
	})
	if err != nil {
		return err
	}
	if err := enc.Close(); err != nil {
		return err
	}
	return to.end()
}

func exportHeaders(h http.Header, f format) {
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Disposition", `attachment; filename="activity-logs.`+f.name+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Trailer", ExportRows+", "+ExportSHA256)
}

// parseExport reads the filters, the format, and where to continue an export that broke off: snapshot is its X-Export-Snapshot, after
// is createdAt and id of its last complete entry, joined by a comma.
func parseExport(r *http.Request) (x query.Export, f format, err error) {
	var faults, err1, err2, err3, err4 error
	x.Filter, faults = parseFilter(r)
	v := r.URL.Query()
	f, err1 = parseFormat(v.Get("format"))
	f.bom, err4 = request.Flag("bom", v.Get("bom"))
	if f.bom && f.name != "csv" && err1 == nil {
		err4 = &schema.FieldError{Field: "bom", Code: "CONFLICT", Issue: "is only for format=csv"}
	}
	if text := v.Get("snapshot"); text != "" {
		if x.Snapshot, err2 = schema.ParsePosition(text); err2 != nil {
			err2 = &schema.FieldError{Field: "snapshot", Code: "SYNTAX", Issue: "must be the value of an " + ExportSnapshot + " header"}
		}
	}
	if text := v.Get("after"); text != "" {
		x.After, err3 = parseAfter(text)
		if err3 == nil && err1 == nil && !f.resumes {
			err3 = &schema.FieldError{Field: "after", Code: "CONFLICT", Issue: f.name + " cannot be continued: begin again"}
		}
	}
	return x, f, errors.Join(faults, err1, err2, err3, err4)
}

func parseFormat(name string) (format, error) {
	if name == "" {
		return formats[0], nil
	}
	all := make([]string, len(formats))
	for i, f := range formats {
		if f.name == name {
			return f, nil
		}
		all[i] = f.name
	}
	return format{}, &schema.FieldError{Field: "format", Code: "ENUM", Issue: "must be one of " + strings.Join(all, ", ")}
}

func parseAfter(text string) (query.Key, error) {
	createdAt, id, _ := strings.Cut(text, ",")
	t, err1 := time.Parse(isoMillis, createdAt)
	u, err2 := uuid.Parse(id)
	n, err3 := schema.IDOfUUID(u)
	if err := errors.Join(err1, err2, err3); err != nil || schema.CheckTimestamp("after", t.UnixMilli()) != nil {
		return query.Key{}, &schema.FieldError{Field: "after", Code: "SYNTAX", Issue: "must be createdAt and id of an entry, with a comma between"}
	}
	return query.Key{Timestamp: t.UnixMilli(), ID: n}, nil
}
