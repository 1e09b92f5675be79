package audit

import (
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/schema"
)

// row is an item as a row of a Parquet file. createdAt is a Parquet timestamp; details are JSON text.
type row struct {
	ID         string      `parquet:"id"`
	UserID     *string     `parquet:"userId,optional"`
	User       *rowUser    `parquet:"user,optional"`
	Action     string      `parquet:"action,dict"`
	TargetType *string     `parquet:"targetType,optional,dict"`
	TargetID   *string     `parquet:"targetId,optional"`
	Details    *string     `parquet:"details,optional"`
	IPAddress  *string     `parquet:"ipAddress,optional"`
	UserAgent  *string     `parquet:"userAgent,optional,dict"`
	Layer      *string     `parquet:"layer,optional,dict"`
	RequestID  *string     `parquet:"requestId,optional"`
	CreatedAt  int64       `parquet:"createdAt,timestamp(millisecond:utc)"`
	Platform   *string     `parquet:"platform,optional,dict"`
	Serial     *string     `parquet:"serial,optional"`
	Username   *string     `parquet:"username,optional"`
	Targets    []rowTarget `parquet:"targets,list"`
	Tenant     *string     `parquet:"tenant,optional,dict"`
}

type rowUser struct {
	ID       *string `parquet:"id,optional"`
	Username *string `parquet:"username,optional"`
	Name     *string `parquet:"name,optional"`
	Role     *string `parquet:"role,optional,dict"`
}

type rowTarget struct {
	Type string  `parquet:"type,dict"`
	ID   string  `parquet:"id"`
	Name *string `parquet:"name,optional"`
}

// A row group is in memory until it is written. These limits bound it.
const (
	groupRows  = 25_000
	groupBytes = 8 << 20 // of detail and details
)

// parquetFile writes rows in groups.
type parquetFile struct {
	w     *parquet.GenericWriter[row]
	rows  []row // not yet written to w, which is slow with single rows
	size  int   // of the group, in bytes
	count int
}

func newParquet(to *body, _ bool) encoding {
	return &parquetFile{w: parquet.NewGenericWriter[row](to, parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}), parquet.CreatedBy("activitylog", "", ""))}
}

func (p *parquetFile) Write(e *schema.Entry, it *item) error {
	p.rows = append(p.rows, rowOf(e, it))
	p.size += len(e.Detail) + len(e.Details)
	p.count++
	full := p.count == groupRows || p.size > groupBytes
	if len(p.rows) < 1000 && !full {
		return nil
	}
	if err := p.writeRows(); err != nil || !full {
		return err
	}
	p.size, p.count = 0, 0
	return p.w.Flush()
}

func (p *parquetFile) writeRows() error {
	_, err := p.w.Write(p.rows)
	clear(p.rows)
	p.rows = p.rows[:0]
	return err
}

func (p *parquetFile) Close() error {
	if err := p.writeRows(); err != nil {
		return err
	}
	return p.w.Close()
}

func rowOf(e *schema.Entry, it *item) row {
	r := row{
		ID: it.ID, UserID: it.UserID, Action: it.Action, TargetType: it.TargetType, TargetID: it.TargetID, IPAddress: it.IPAddress,
		UserAgent: it.UserAgent, Layer: it.Layer, RequestID: it.RequestID, CreatedAt: e.Timestamp,
		Platform: known(it.Platform), Serial: known(it.Serial), Username: known(it.Username), Tenant: known(it.Tenant),
	}
	if it.Details != nil {
		text := string(reply.JSON(it.Details))
		r.Details = &text
	}
	if it.User != nil {
		r.User = &rowUser{it.User.ID, it.User.Username, it.User.Name, it.User.Role}
	}
	for _, t := range it.Targets {
		r.Targets = append(r.Targets, rowTarget(t))
	}
	return r
}
