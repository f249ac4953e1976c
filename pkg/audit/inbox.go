package audit

import "sync"

// maxWaiting is the number of lines that wait for the disk before further ones are lost.
const maxWaiting = 65536

// inbox is what the callers of a Log leave for its writer. Whatever happens to the disk, its methods only take a lock
// that nobody holds for long.
type inbox struct {
	wake chan struct{} // has a token when there is something new

	mu      sync.Mutex
	entries []Entry
	taken   int // lines that the writer holds
	lost    int // lines given up and not yet told of
	total   int // lines given up in all
	config  Config
	again   bool // the file shall be opened anew
	closing bool
}

// mail is what a writer takes out of its inbox at one time.
type mail struct {
	entries []Entry
	more    bool // entries were left in the inbox
	lost    int
	config  Config
	again   bool
	closing bool
}

func newInbox(c Config) *inbox {
	return &inbox{wake: make(chan struct{}, 1), config: c}
}

func (b *inbox) put(e Entry) {
	b.mu.Lock()
	if b.closing || len(b.entries)+b.taken >= maxWaiting {
		b.lost++
		b.total++
	} else {
		b.entries = append(b.entries, e)
	}
	b.mu.Unlock()
	b.ring()
}

func (b *inbox) set(c Config) {
	b.mu.Lock()
	b.config, b.again = c, true
	b.mu.Unlock()
	b.ring()
}

func (b *inbox) reopen() {
	b.mu.Lock()
	b.again = true
	b.mu.Unlock()
	b.ring()
}

func (b *inbox) close() {
	b.mu.Lock()
	b.closing = true
	b.mu.Unlock()
	b.ring()
}

func (b *inbox) ring() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take gives at most n entries and all that has changed. What it gives is the caller's; how many lines the caller still
// holds from earlier is told by held.
func (b *inbox) take(n, held int) mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	n = min(n, len(b.entries))
	m := mail{entries: b.entries[:n:n], lost: b.lost, config: b.config, again: b.again, closing: b.closing}
	b.entries = b.entries[n:]
	m.more = len(b.entries) > 0
	if !m.more {
		b.entries = nil
	}
	b.taken, b.lost, b.again = held+n, 0, false
	return m
}

// holds tells how many lines the writer still holds.
func (b *inbox) holds(n int) {
	b.mu.Lock()
	b.taken = n
	b.mu.Unlock()
}

func (b *inbox) count() (waiting, lost int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.entries) + b.taken, b.total
}
