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
		case next, more := <-g.p.fetch.batches:
			if !more {
				return false
			}
			g.p.received(next)
		}
	}
	return true
}

// plain says that nothing but the ids before decides what the batch comes to: no event keys, which are compared with those of
// the batch before, and no range of which ClickHouse may hold something.
func (g *gathering) plain() bool {
	return !g.b.keyed && g.b.first > max(g.p.stored, g.p.counted)
}

// assemble does what partition.assemble does for a plain batch, if there is memory for it.
func (g *gathering) assemble(before *assembly) {
	if g.b.ahead = g.p.assemblies.idle(); g.b.ahead != nil {
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
