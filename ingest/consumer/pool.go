package consumer

import "context"

// pool bounds how many batches are in memory in their final form, and keeps that memory.
type pool struct{ free chan *assembly }

func newPool(n int) *pool {
	p := &pool{free: make(chan *assembly, n)}
	for range n {
		p.free <- &assembly{}
	}
	return p
}

// get waits for an assembly.
func (p *pool) get(ctx context.Context) (*assembly, error) {
	select {
	case a := <-p.free:
		return a, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// idle is an assembly that nobody waits for, or nil.
func (p *pool) idle() *assembly {
	select {
	case a := <-p.free:
		return a
	default:
		return nil
	}
}

func (p *pool) put(a *assembly) { p.free <- a }
