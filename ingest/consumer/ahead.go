package consumer

// gathering is the batch after one that is being written: its records are taken as they come. If it gets complete meanwhile
// and nothing that the first one decides can matter for it, it is assembled as well, so that a partition with a backlog uses
// more than one core. It declares nothing and stores nothing.
type gathering struct {
	p       *partition
	b       *batch
	written chan struct{} // closed when the batch before is
	done    chan struct{}
}

// gather begins the batch after b, of which a has been made.
func (p *partition) gather(a *assembly, b *batch) *gathering {
	g := &gathering{p: p, b: newBatch(b.last + 1), written: make(chan struct{}), done: make(chan struct{})}
	if b.replay || b.commands > 0 {
		close(g.done)
		return g
	}
	go func() {
		defer close(g.done)
		if g.fill() && g.plain() {
			g.assemble(a)
		}
	}()
	return g
}

// fill takes records until the batch is complete, or the one before is written.
func (g *gathering) fill() (complete bool) {
	for !g.p.fill(g.b) {
		if g.p.pending.err != nil {
			return false
		}
		select {
		case <-g.written:
			return false
		case next, more := <-g.p.fetch.pages:
			if !more {
				return false
			}
			g.p.turnPage(next)
		}
	}
	return true
}

// plain says that the batch can be assembled as it is. Event keys are compared with those of the batch before, which may yet
// be refused; after deletes, and where ClickHouse must be asked, there is no need to be fast.
func (g *gathering) plain() bool {
	return !g.b.keyed && g.b.commands == 0 && g.b.first > max(g.p.stored, g.p.counted)
}

// assemble does what partition.assemble will find done.
func (g *gathering) assemble(before *assembly) {
	if g.b.ahead = g.p.assemblies.spare(); g.b.ahead != nil {
		g.b.ahead.reset(g.p.number, before.blocks.Clone(), g.p.keys.Batch(), nil)
		g.b.ahead.add(g.b)
	}
}

// end returns the batch as far as it has come, once the one before is written.
func (g *gathering) end() *batch {
	close(g.written)
	<-g.done
	return g.b
}
