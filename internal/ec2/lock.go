package ec2

import "sync"

// locks is a mutex per name. The zero value is ready.
type locks struct {
	mu   sync.Mutex
	held map[string]*namedLock
}

type namedLock struct {
	mu    sync.Mutex
	users int
}

// lock waits for a name and returns what gives it back.
func (l *locks) lock(name string) (unlock func()) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]*namedLock{}
	}
	n := l.held[name]
	if n == nil {
		n = &namedLock{}
		l.held[name] = n
	}
	n.users++
	l.mu.Unlock()

	n.mu.Lock()
	return func() {
		n.mu.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if n.users--; n.users == 0 {
			delete(l.held, name)
		}
	}
}
