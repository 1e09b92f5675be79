package consumer

// prefetch fills the next batch while the current one is being written. If the next batch is complete in time and does not depend on the
// decisions of the current one, it is assembled as well, so that a partition with a backlog uses more than one core. Nothing of the next
// batch is declared or stored yet.
type prefetch struct {
	p       *partition
	b       *batch
	written chan struct{} // closed when the current batch has been written
	done    chan struct{}
}

// prefetch begins the batch after b, which a was assembled from.
func (p *partition) prefetch(a *assembly, b *batch) *prefetch {
	next := &prefetch{p: p, b: newBatch(p.source.Next(p.number, b.last)), written: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(next.done)
		if next.fill() && next.independent() {
			next.assemble(a)
		}
	}()
	return next
}

// fill adds records until the batch is complete, or the current batch is written.
func (f *prefetch) fill() (complete bool) {
	for !f.p.fill(f.b) {
		if f.p.pending.err != nil {
			return false
		}
		select {
		case <-f.written:
			return false
		case fetched, more := <-f.p.fetch.batches:
			if !more {
				return false
			}
			f.p.received(fetched)
		}
	}
	return true
}

// independent reports whether the batch depends on nothing before it but the ids. A batch with event keys depends on the keys of the batch
// before, and a range of which ClickHouse may hold something has to be looked up.
func (f *prefetch) independent() bool {
	return !f.b.keyed && f.b.first > max(f.p.stored, f.p.counted)
}

// assemble does what partition.assemble does, for an independent batch and if there is an idle assembly.
func (f *prefetch) assemble(current *assembly) {
	if f.b.assembled = f.p.assemblies.Idle(); f.b.assembled == nil {
		return
	}
	f.b.assembled.reset(f.p.number, current.blocks.Clone(), f.p.keys.Batch(), nil, f.p.early())
	if f.b.assembled.add(f.b); f.b.assembled.early.Needed {
		f.b.drop(f.p.assemblies)
	}
}

// end tells that the current batch has been written, and returns the next one in its current state.
func (f *prefetch) end() *batch {
	close(f.written)
	<-f.done
	return f.b
}
