package notify

import (
	"sync"
	"time"
)

const (
	keepEvery = time.Second            // the least time between two writings, but for what is urgent
	keepWait  = 250 * time.Millisecond // how long a slow disk may hold up a telling
)

// keeper writes the state file from a goroutine of its own.
type keeper struct {
	path    string
	state   func() kept
	trouble func(error)
	wake    chan struct{} // of size 1
	urgent  chan struct{} // of size 1
	stop    chan struct{}
	done    chan struct{}

	mu     sync.Mutex
	marked uint64        // changes so far
	kept   uint64        // of which these are in the file, or were tried
	next   chan struct{} // closed at the next writing
	err    error         // of the last writing
}

func newKeeper(path string, state func() kept, trouble func(error)) *keeper {
	k := &keeper{
		path: path, state: state, trouble: trouble,
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), next: make(chan struct{}),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go k.run()
	return k
}

// changed says that the state is another one now, and gives the change's number for wait. It never blocks.
func (k *keeper) changed(urgent bool) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.marked++
	to := k.wake
	if urgent {
		to = k.urgent
	}
	select {
	case to <- struct{}{}:
	default:
	}
	return k.marked
}

// wait waits until a change is in the file, or could not be written, or for keepWait.
func (k *keeper) wait(mark uint64) {
	late := time.NewTimer(keepWait)
	defer late.Stop()
	for {
		k.mu.Lock()
		written, next := k.kept >= mark, k.next
		k.mu.Unlock()
		if written {
			return
		}
		select {
		case <-next:
		case <-late.C:
			return
		}
	}
}

func (k *keeper) run() {
	defer close(k.done)
	for {
		select {
		case <-k.urgent:
		case <-k.wake:
		case <-k.stop:
			return
		}
		_ = k.write()
		pause := time.NewTimer(keepEvery)
		select {
		case <-pause.C:
		case <-k.urgent:
			pause.Stop()
			_ = k.write()
		case <-k.stop:
			pause.Stop()
			return
		}
	}
}

// write writes the state as it is now. What cannot be written is told once, and again when it changes.
func (k *keeper) write() error {
	k.mu.Lock()
	mark := k.marked
	k.mu.Unlock()
	err := writeKept(k.path, k.state())
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept = mark
	close(k.next)
	k.next = make(chan struct{})
	if err != nil && (k.err == nil || k.err.Error() != err.Error()) {
		k.trouble(err)
	}
	k.err = err
	return err
}

// close writes the state a last time. It is called once.
func (k *keeper) close() error {
	close(k.stop)
	<-k.done
	return k.write()
}
