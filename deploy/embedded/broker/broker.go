// Package broker is a Kafka broker inside this process, for installations on one machine. It speaks Kafka's protocol to the same
// clients as a cluster, and promises what the pipeline needs from a cluster: an acknowledged record is on disk (fsync) and
// survives kill -9; no offset is assigned twice; no record is dropped that a consumer group has not read. Its data folder belongs
// to one process. Every client must send the folder's password. It refuses new records before the disk is full.
//
// It is kfake of twmb/franz-go with a data folder. Code around kfake adds what it lacks: mend.go repairs what a crash leaves,
// guard.go refuses requests that would end the process, keeper.go handles retention and free space.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/activitylog/activitylog/deploy/embedded/folder"
)

// User is the SASL user name of every client.
const User = "activity"

// Config says where the broker listens and what it may use. Missing values get their defaults.
type Config struct {
	Addr         string // host:port; port 0 takes a free one
	DataDir      string // created if it is missing, with mode 0700
	Password     string // SASL PLAIN; if empty, a random one is created and kept in DataDir
	NoPassword   bool   // accepts every client that reaches Addr, without SASL
	NoSync       bool   // no fsync of each batch: a power failure may then lose acknowledged records
	SegmentBytes int64  // logs are dropped in files of this size
	KeepBytes    int64  // records that every consumer group has read are dropped beyond this size, oldest first
	MaxBytes     int64  // records are refused while the logs are larger than this
	ReserveBytes int64  // records are refused while the disk has less free than this. Default 5 % of the disk, at most 2 GB

	Log        *slog.Logger          // default: nothing is logged
	Registerer prometheus.Registerer // default: the metrics are not registered

	diskSpace func(dir string) (free, total int64, err error)
}

// Defaults returns the default values.
func Defaults() Config {
	return Config{Addr: "127.0.0.1:0", SegmentBytes: 16 << 20, KeepBytes: 512 << 20, MaxBytes: 8 << 30}
}

func (c Config) withDefaults() Config {
	d := Defaults()
	c.Addr = or(c.Addr, d.Addr)
	c.SegmentBytes = or(c.SegmentBytes, d.SegmentBytes)
	c.KeepBytes = or(c.KeepBytes, d.KeepBytes)
	c.MaxBytes = or(c.MaxBytes, d.MaxBytes)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.diskSpace == nil {
		c.diskSpace = folder.Space
	}
	return c
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Broker is a running broker.
type Broker struct {
	cfg      Config
	password string
	lock     *folder.Held
	guard    *guard
	cluster  *kfake.Cluster
	metrics  *metrics
	refusing atomic.Pointer[error] // why records are refused; nil while they are accepted

	stopKeeper context.CancelFunc
	keeperDone chan struct{}
}

// Open starts a broker on cfg.DataDir and returns when it accepts connections. The error is ErrLocked if another process holds the
// folder, and folder.ErrCopied if the folder is a copy of one in use.
func Open(ctx context.Context, cfg Config) (*Broker, error) {
	cfg = cfg.withDefaults()
	lock, err := lockFolder(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	b := &Broker{cfg: cfg, lock: lock, metrics: newMetrics(cfg.Registerer), keeperDone: make(chan struct{})}
	if err := b.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start broker on %s: %w", cfg.DataDir, err), lock.Close())
	}
	return b, nil
}

func (b *Broker) start(ctx context.Context) (err error) {
	if b.password, err = password(b.cfg); err != nil {
		return err
	}
	dir := filepath.Join(b.cfg.DataDir, "log")
	if err := mend(dir, b.cfg.Log); err != nil {
		return err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", b.cfg.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	b.guard = newGuard(ln, b.cfg.NoPassword)
	b.cluster, err = kfake.NewCluster(b.options(dir)...)
	if err != nil {
		return errors.Join(fmt.Errorf("open log: %w", err), b.guard.Close())
	}
	keeper := newKeeper(b, dir)
	keeper.checkSpace()
	keeper.watch()
	ctx, b.stopKeeper = context.WithCancel(context.WithoutCancel(ctx))
	go func() { defer close(b.keeperDone); keeper.run(ctx) }()
	return nil
}

func (b *Broker) options(dir string) []kfake.Opt {
	const never = 100 * 365 * 24 * time.Hour
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("activitylog-embedded"),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return b.guard, nil }),
		kfake.DataDir(dir),
		kfake.GroupMinSessionTimeout(time.Second), // Kafka's default of 6 s is for networks; here a dead consumer is replaced sooner
		kfake.WithLogger(logger{b.cfg.Log}),
		kfake.BrokerConfigs(map[string]string{
			"log.segment.bytes":         strconv.FormatInt(b.cfg.SegmentBytes, 10),
			"log.cleaner.backoff.ms":    strconv.FormatInt(never.Milliseconds(), 10), // the keeper trims instead
			"offsets.retention.minutes": strconv.FormatInt(int64(never.Minutes()/10), 10),
		}),
	}
	if !b.cfg.NoPassword {
		opts = append(opts, kfake.EnableSASL(), kfake.Superuser("PLAIN", User, b.password))
	}
	if !b.cfg.NoSync {
		opts = append(opts, kfake.SyncWrites())
	}
	return opts
}

// Addr returns the host:port that clients connect to.
func (b *Broker) Addr() string { return b.guard.Addr().String() }

// Password returns the password of User; empty if clients need none.
func (b *Broker) Password() string { return b.password }

// Ready returns the reason why records are refused, or nil.
func (b *Broker) Ready(context.Context) error {
	if why := b.refusing.Load(); why != nil {
		return *why
	}
	return nil
}

// Disconnect closes every connection, like a network failure. Clients can reconnect at once.
func (b *Broker) Disconnect() { b.guard.disconnect() }

// Close stops the broker: it answers the requests that it has read, syncs the log and unlocks the folder. It returns when
// everything that the broker started has ended.
func (b *Broker) Close() error {
	b.stopKeeper()
	<-b.keeperDone
	b.cluster.Close()
	b.guard.disconnect()
	b.guard.wait()
	return b.lock.Release()
}

// logger passes on kfake's warnings and errors.
type logger struct{ log *slog.Logger }

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error("embedded broker error", "message", fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		l.log.Warn("embedded broker warning", "message", fmt.Sprintf(format, args...))
	}
}
