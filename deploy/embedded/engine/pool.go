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

// lane has the connections for one purpose, and says how long a statement may wait for one of them.
type lane struct {
	free chan *session
	wait time.Duration
}

// pool has all connections of the engine, by purpose. They are opened at start and never later.
type pool struct {
	heavy, light, write, reader lane
	killer                      *session
	killing                     sync.Mutex // guards killer
	all                         []*session
}

func openPool(c Config, f *dataFolder) (*pool, error) {
	if err := libchdb.Load(c.LibPath); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	p := &pool{
		heavy: newLane(c.Connections, c.QueueWait), light: newLane(lightConns, c.QueueWait), write: newLane(writeConns, c.QueueWait),
		reader: newLane(c.Reader.Connections, c.Reader.QueueWait),
	}
	for range 1 + c.Connections + lightConns + writeConns + c.Reader.Connections {
		conn, err := libchdb.Connect(f.arguments()...)
		if err != nil {
			closeAll(p.all)
			return nil, fmt.Errorf("engine: open %s: %w", f.path, err)
		}
		p.all = append(p.all, &session{Conn: conn, database: "default"})
	}
	p.killer = p.all[0]
	rest := p.all[1:]
	for _, l := range p.lanes() {
		for range cap(l.free) {
			l.free <- rest[0]
			rest = rest[1:]
		}
	}
	if err := p.confineReaders(); err != nil {
		closeAll(p.all)
		return nil, err
	}
	return p, nil
}

func newLane(connections int, wait time.Duration) lane {
	return lane{free: make(chan *session, connections), wait: wait}
}

func (p *pool) lanes() []lane { return []lane{p.heavy, p.light, p.write, p.reader} }

// confineReaders leaves the connections of the reader's lane the reader's role alone. No statement can undo it: clients cannot send
// SET ROLE.
func (p *pool) confineReaders() error {
	for range cap(p.reader.free) {
		s := <-p.reader.free
		p.reader.free <- s
		if _, _, err := s.Exec(libchdb.Query{SQL: "SET ROLE " + ReaderName, Format: "Null"}); err != nil {
			return fmt.Errorf("engine: give up the rights of the services: %w", err)
		}
	}
	return nil
}

// close waits for running queries, because a connection must not be closed during a query, and closes all connections.
func (p *pool) close() {
	for _, l := range p.lanes() {
		for range cap(l.free) {
			<-l.free
		}
	}
	closeAll(p.all)
}

func closeAll(sessions []*session) {
	for _, s := range sessions {
		s.Close()
	}
}

func (p *pool) lane(req *request) lane {
	switch {
	case req.reader != nil:
		return p.reader
	case req.stmt.Kind == statement.Read:
		return p.heavy
	case req.stmt.Kind == statement.Light:
		return p.light
	}
	return p.write
}

// do runs f on a connection for the request's user and kind of statement, in its database. The error is errBusy if no connection
// becomes free in time.
func (p *pool) do(ctx context.Context, req *request, f func(*session) error) error {
	l := p.lane(req)
	timer := time.NewTimer(l.wait)
	defer timer.Stop()
	select {
	case s := <-l.free:
		defer func() { l.free <- s }()
		if err := s.use(req.database); err != nil {
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
