// Package retain keeps entries for as long as their tenant wants, and cleans up after that. It promises: a shorter retention
// hides entries at once and a longer one brings none back; the tables keep entries for as long as any tenant was promised; of
// all replicas one does a cleanup; and a webhook that hangs delays nothing else.
package retain

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/db"
	"github.com/activitylog/activitylog/query/erase"
	"github.com/activitylog/activitylog/query/internal/requests"
	"github.com/activitylog/activitylog/query/visible"
)

// Config sets how often to clean up, and whom to notify.
type Config struct {
	PatchInterval   time.Duration // the least time between two merges of the patch parts of deletes
	FoldInterval    time.Duration // between two searches for entries whose texts an older version did not fold
	CleanupInterval time.Duration // between two searches for expired entries
	UsageInterval   time.Duration // between two measurements of the tables and disks
	Webhook         Webhook       // notified of cleanups
}

// Defaults returns the values of a Config that names none.
func Defaults() Config {
	return Config{PatchInterval: time.Minute, FoldInterval: 10 * time.Minute, CleanupInterval: 10 * time.Minute, UsageInterval: time.Minute}
}

// Validate returns everything that is wrong with c.
func (c Config) Validate() error {
	var all []error
	if c.PatchInterval <= 0 {
		all = append(all, errors.New("the patch interval must be above 0"))
	}
	if c.FoldInterval <= 0 {
		all = append(all, errors.New("the fold interval must be above 0"))
	}
	if c.CleanupInterval <= 0 {
		all = append(all, errors.New("the cleanup interval must be above 0"))
	}
	if c.UsageInterval <= 0 {
		all = append(all, errors.New("the usage interval must be above 0"))
	}
	return errors.Join(append(all, c.Webhook.validate())...)
}

// Layers are the parts of package query that a Keeper depends on.
type Layers struct {
	DB      *db.DB
	Visible *visible.Lookup
	Reader  *query.Reader
	Eraser  *erase.Eraser
}

// Keeper sets retentions and cleans up. It may be used by many goroutines at once.
type Keeper struct {
	db       *db.DB
	visible  *visible.Lookup
	reader   *query.Reader
	eraser   *erase.Eraser
	requests *requests.Metrics
	tables   *tables
	cleaner  *cleaner
	patcher  *patcher
	folder   *folder
	usage    *usage
	hook     *hook
	now      func() time.Time
}

// New makes a Keeper.
func New(cfg Config, layers Layers, log *slog.Logger, reg prometheus.Registerer) *Keeper {
	m := newMetrics(reg)
	h := newHook(cfg.Webhook, log, m)
	t := &tables{db: layers.DB, visible: layers.Visible, log: log, now: time.Now}
	return &Keeper{
		db: layers.DB, visible: layers.Visible, reader: layers.Reader, eraser: layers.Eraser, requests: requests.New(reg),
		tables: t, hook: h, now: time.Now,
		cleaner: &cleaner{
			id: uuid.New(), interval: cfg.CleanupInterval, db: layers.DB, visible: layers.Visible, eraser: layers.Eraser,
			tables: t, hook: h, log: log, metrics: m, now: time.Now,
		},
		patcher: &patcher{interval: cfg.PatchInterval, db: layers.DB, log: log, applied: m.patches},
		folder:  &folder{interval: cfg.FoldInterval, db: layers.DB, log: log, folded: m.folded},
		usage:   &usage{interval: cfg.UsageInterval, db: layers.DB, log: log, metrics: m.usage},
	}
}

// Run merges in what deletes left, folds the texts of old entries, cleans up what has expired, notifies the webhook, and measures
// the tables. It returns when ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	notifying, last := context.WithCancel(context.WithoutCancel(ctx))
	var hook, all sync.WaitGroup
	hook.Go(func() { k.hook.run(notifying) })
	all.Go(func() { k.patcher.run(ctx) })
	all.Go(func() { k.folder.run(ctx) })
	all.Go(func() { k.cleaner.run(ctx) })
	all.Go(func() { k.usage.run(ctx) })
	all.Wait()
	last() // a cleanup that has just ended is notified, too
	hook.Wait()
}
