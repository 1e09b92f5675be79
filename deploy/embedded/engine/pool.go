package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/libchdb"
	"github.com/activitylog/activitylog/deploy/embedded/engine/internal/statement"
)

// lightConns and writeConns are connections beside those for heavy reads, so that an insert never waits for a read.
const (
	lightConns = 2
	writeConns = 2
)

// session is a connection of the pool with its current database.
type session struct {
	*libchdb.Conn
	database string
}

// use changes the database. Nothing else of a connection outlives a query.
func (s *session) use(database string) error {
	if database == s.database {
		return nil
	}
	name := strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(database)
	if _, _, err := s.Exec(libchdb.Query{SQL: "USE `" + name + "`"}); err != nil {
		return fmt.Errorf("use database: %w", err)
	}
	s.database = database
	return nil
}

// pool has all connections of the engine, by purpose. They are opened at start and never later.
type pool struct {
	heavy, light, write chan *session
	killer              *session
	killing             sync.Mutex // guards killer
	wait                time.Duration
	all                 []*session
}

func openPool(c Config, f *dataFolder) (*pool, error) {
	if err := libchdb.Load(c.LibPath); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	p := &pool{
		heavy: make(chan *session, c.Connections), light: make(chan *session, lightConns), write: make(chan *session, writeConns),
		wait: c.QueueWait,
	}
	for range 1 + c.Connections + lightConns + writeConns {
		conn, err := libchdb.Connect(f.arguments()...)
		if err != nil {
			closeAll(p.all)
			return nil, fmt.Errorf("engine: open %s: %w", f.path, err)
		}
		p.all = append(p.all, &session{Conn: conn, database: "default"})
	}
	p.killer = p.all[0]
	rest := p.all[1:]
	for _, lane := range []chan *session{p.heavy, p.light, p.write} {
		for range cap(lane) {
			lane <- rest[0]
			rest = rest[1:]
		}
	}
	return p, nil
}

// close waits for running queries, because a connection must not be closed during a query, and closes all connections.
func (p *pool) close() {
	for _, lane := range []chan *session{p.heavy, p.light, p.write} {
		for range cap(lane) {
			<-lane
		}
	}
	closeAll(p.all)
}

func closeAll(sessions []*session) {
	for _, s := range sessions {
		s.Close()
	}
}

func (p *pool) lane(k statement.Kind) chan *session {
	switch k {
	case statement.Read:
		return p.heavy
	case statement.Light:
		return p.light
	}
	return p.write
}

// do runs f on a connection for statements of this kind, in the database. The error is errBusy if no connection becomes free in time.
func (p *pool) do(ctx context.Context, k statement.Kind, database string, f func(*session) error) error {
	lane := p.lane(k)
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	select {
	case s := <-lane:
		defer func() { lane <- s }()
		if err := s.use(database); err != nil {
			return err
		}
		return f(s)
	case <-timer.C:
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

// killable runs f, whose query has this log_comment, and kills the query when ctx ends. It returns after f.
func (p *pool) killable(ctx context.Context, comment string, f func() error) error {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-ctx.Done():
			p.kill(comment, done)
		case <-done:
		}
	})
	err := f()
	close(done)
	wg.Wait()
	return err
}

// kill repeats until the query has ended, because the query may not have begun at the first attempt.
func (p *pool) kill(comment string, done <-chan struct{}) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		p.killing.Lock()
		_, _, _ = p.killer.Exec(libchdb.Query{SQL: "KILL QUERY WHERE Settings['log_comment'] = " + quote(comment) + " ASYNC", Format: "Null"})
		p.killing.Unlock()
		select {
		case <-done:
			return
		case <-again.C:
		}
	}
}
