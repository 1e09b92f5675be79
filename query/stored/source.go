package stored

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Intervals of looking at the log.
const (
	lookEvery   = 2 * time.Second
	lookRetry   = 250 * time.Millisecond // while it is refused or not known
	lookTimeout = 2 * time.Second
)

// watchLog looks at the log at intervals until ctx ends: the offsets of callers belong to the tables' log, which another one may replace.
func (p *Progress) watchLog(ctx context.Context) {
	defer p.source.Close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for said := ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		next := lookEvery
		log, err := p.look(ctx)
		if err != nil {
			next = lookRetry
		}
		timer.Reset(next)
		why := ""
		if schemakafka.IsLogError(err) {
			why = err.Error()
		}
		if why == said || ctx.Err() != nil {
			continue
		}
		said = why
		p.tell(ctx, log, err)
	}
}

func (p *Progress) tell(ctx context.Context, log *schemakafka.Log, err error) {
	var refusal *schemakafka.LogError
	switch {
	case errors.As(err, &refusal) && refusal.Refused:
		p.log.ErrorContext(ctx, "kafka log refused; deletes and waits for a position get 503", slog.Any("error", err))
	case refusal != nil:
		p.log.WarnContext(ctx, "waiting for kafka log", slog.Any("error", err))
	case log != nil:
		p.log.InfoContext(ctx, "kafka log accepted", slog.String("log", log.String()))
	}
}

func (p *Progress) look(ctx context.Context) (*schemakafka.Log, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return p.source.Look(ctx)
}

// Log returns the log that the tables belong to, as it was seen last. Its error is ErrUnavailable: Kafka could not be asked yet, or has
// another log.
func (p *Progress) Log(ctx context.Context) (*schemakafka.Log, error) {
	log, err := p.source.Log()
	if err != nil {
		log, err = p.look(ctx)
	}
	if err != nil {
		return nil, Fault(ctx, err)
	}
	return log, nil
}

// Seen returns the log that the tables belong to as it was seen last, nil if it has not been seen.
func (p *Progress) Seen() *schemakafka.Log {
	log, err := p.source.Log()
	if err != nil {
		return nil
	}
	return log
}

// LogNow returns the current log, from Kafka.
func (p *Progress) LogNow(ctx context.Context) (*schemakafka.Log, error) {
	log, err := p.look(ctx)
	if err != nil {
		return nil, Fault(ctx, err)
	}
	return log, nil
}

// Unchanged returns nil if the log and its epochs are the same as before. Otherwise its error is ErrTimeout: what was published meanwhile
// was for other offsets, or for nobody.
func (p *Progress) Unchanged(ctx context.Context, before *schemakafka.Log) error {
	now, err := p.look(ctx)
	if err != nil {
		return fmt.Errorf("%w: check whether the log is the same: %v", schema.ErrTimeout, err) //nolint:errorlint // its kind would say that nothing was published
	}
	if !now.Same(before) {
		return fmt.Errorf("%w: log %v has replaced log %v", schema.ErrTimeout, now, before)
	}
	return nil
}

// ofLog returns a FieldError if a caller's position names offsets that do not belong to the log. Their records may be gone, so nobody knows
// whether they were stored.
func (p *Progress) ofLog(ctx context.Context, position schema.Position) error {
	log, err := p.Log(ctx)
	if err == nil && earlier(log, position) {
		log, err = p.LogNow(ctx) // the log may have been replaced a moment ago
	}
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded): // as for a position that has not been stored in time
		return fmt.Errorf("%w: look up the log: %v", schema.ErrTimeout, err) //nolint:errorlint // its kind would say that Kafka is unavailable
	case err != nil:
		return err
	case earlier(log, position):
		return &schema.FieldError{Field: "position", Code: "EARLIER_LOG", Issue: "is of an earlier log, whose entries are stored: read without it"}
	}
	return nil
}

func earlier(log *schemakafka.Log, position schema.Position) bool {
	for partition, offset := range position {
		if _, ok := log.Offset(partition, offset); !ok {
			return true
		}
	}
	return false
}
