package pair

import (
	"sync"

	"github.com/lvsd/lvsd/pkg/vip"
)

// mailbox is what other goroutines want of the loop. Putting something in never waits for the loop.
type mailbox struct {
	mu      sync.Mutex
	closed  bool
	calls   []func(moment)
	reports []vip.Report
	wake    func()
}

// maxReports bounds those that wait for a loop that does not turn. Renewals repeat, and links are told of whole.
const maxReports = 1 << 14

// call wants f to be called in the loop, and tells whether it will be.
func (m *mailbox) call(f func(moment)) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.calls = append(m.calls, f)
	m.wake()
	return true
}

// report is what the keeper of addresses calls.
func (m *mailbox) report(r vip.Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || len(m.reports) == maxReports {
		return
	}
	m.reports = append(m.reports, r)
	m.wake()
}

// take gives what waits, and the room of what was taken before.
func (m *mailbox) take(calls []func(moment), reports []vip.Report) ([]func(moment), []vip.Report) {
	clear(calls)
	clear(reports)
	m.mu.Lock()
	defer m.mu.Unlock()
	c, r := m.calls, m.reports
	m.calls, m.reports = calls[:0], reports[:0]
	return c, r
}

// close lets nothing more in, and gives the calls that nobody will answer.
func (m *mailbox) close() []func(moment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return m.calls
}
