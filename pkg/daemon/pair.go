package daemon

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/reconcile"
)

// pairFile keeps in the state directory how far the vrrp process' transitions have been recorded.
const pairFile = "pair.json"

type pairState struct {
	Format int    `json:"format"`
	Boot   string `json:"boot"`
	Seq    uint64 `json:"seq"`
}

// pair is this process' side of the vrrp process: it passes on the director's reasons, records what happens there, and
// has it told. It works from start on, whether or not the other process runs.
type pair struct {
	socket string
	record func(audit.Entry)
	tell   func(notify.Event)
	role   func(string) // master, backup, fault or none: for check scripts
	words  chan link.Word
	kept   *reconcile.Loop[pairState]
	since  pairState // as read at the start

	// Only the goroutine of follow sees these.
	seq    uint64
	states map[string]string // of each subject, as last told

	mu    sync.Mutex
	state *link.State // as last heard; nil if never, or if the other process has gone
	gone  error       // why it is not heard; nil if it is, or if nobody has looked
}

func newPair(socket, dir string, since pairState, record func(audit.Entry), tell func(notify.Event), role func(string), trouble func(error)) *pair {
	p := &pair{
		socket: socket, record: record, tell: tell, role: role, since: since, seq: since.Seq,
		words: make(chan link.Word, 1), states: map[string]string{},
	}
	p.kept = reconcile.NewLoop(func(s pairState, fresh bool) error {
		if !fresh {
			return nil
		}
		err := writeState(filepath.Join(dir, pairFile), s)
		if err != nil {
			trouble(err)
		}
		return err
	}, verdictsRetry, verdictsAgain)
	return p
}

// readPair reads how far the record is.
func readPair(dir string) (pairState, error) {
	var s pairState
	err := readState(filepath.Join(dir, pairFile), &s)
	return s, err
}

// stand hands the director's word on; the newest counts. It never blocks.
func (p *pair) stand(ready bool, reasons map[string][]link.Reason) {
	w := link.Word{Ready: ready, Reasons: reasons}
	for {
		select {
		case p.words <- w:
			return
		default:
		}
		select {
		case <-p.words:
		default:
		}
	}
}

// follow lives with the vrrp process until ctx is done.
func (p *pair) follow(ctx context.Context) {
	keeping := make(chan struct{})
	go func() { defer close(keeping); p.kept.Run() }()
	link.Follow(ctx, link.Following{Path: p.socket, Since: p.since.Seq, Words: p.words, Heard: p.heard, Turned: p.turned})
	p.kept.Close()
	<-keeping
}

// turned tells that the vrrp process is heard, or no longer.
func (p *pair) turned(up bool, err error) {
	e := audit.Entry{Event: audit.EventVRRP, Actor: "lvsd", From: "not heard", To: "heard", Reason: "the vrrp process answers"}
	if !up {
		e.From, e.To, e.Reason, e.Error = "", "not heard", "VIPs are the vrrp process' own affair meanwhile", err.Error()
	}
	p.mu.Lock()
	if p.gone = err; !up {
		p.state = nil
	}
	p.mu.Unlock()
	if !up {
		p.role("none")
	}
	p.record(e)
}

// heard takes in what the vrrp process says.
func (p *pair) heard(m link.Message) {
	transitions, notices := m.Transitions, m.Notices
	for len(transitions)+len(notices) > 0 { // in the order in which they happened
		if len(notices) == 0 || len(transitions) > 0 && transitions[0].Seq < notices[0].Seq {
			p.moved(transitions[0])
			transitions = transitions[1:]
			continue
		}
		p.noticed(notices[0])
		notices = notices[1:]
	}
	if m.State == nil {
		return
	}
	p.mu.Lock()
	p.state = m.State
	p.mu.Unlock()
	p.role(roleOf(m.State))
	for _, r := range m.State.Routers {
		p.level(m.State, r)
	}
	if now := (pairState{Format: stateFormat, Boot: m.State.Boot, Seq: p.seq}); now != p.since {
		p.since = now
		p.kept.Set(now)
	}
}

// moved records a transition and has it told.
func (p *pair) moved(t link.Transition) {
	p.seq = t.Seq
	name := t.Group
	if name == "" {
		name = strings.Join(t.Routers, " ")
	}
	e := audit.Entry{
		Time: t.At, Event: audit.EventVRRP, Actor: "vrrp", Router: name, From: t.From, To: t.To,
		Reason: fmt.Sprintf("%s; priority %d", t.Cause, t.Priority),
	}
	if t.Peer.IsValid() {
		e.Reason += fmt.Sprintf("; the other one is %v", t.Peer)
	}
	p.record(e)
	event := notify.Event{
		State: told(t.To), Previous: told(t.From), Priority: int(t.Priority), Reason: t.Cause, At: t.At, Mono: t.Mono,
	}
	if t.Peer.IsValid() {
		event.Peer = t.Peer.String()
	}
	if t.Group != "" {
		p.say(event, t.Group, "GROUP", false)
	}
	for _, r := range t.Routers {
		p.say(event, r, "INSTANCE", t.Group != "")
	}
}

// level tells the state of a router, or of its group, that no transition has told: after a start.
func (p *pair) level(s *link.State, r link.RouterState) {
	event := notify.Event{
		State: told(r.State), Priority: int(r.Priority), Reason: r.Cause, At: r.Since, Mono: r.SinceMono,
	}
	if r.Peer.IsValid() {
		event.Peer = r.Peer.String()
	}
	for _, subject := range []struct {
		name, title string
		member      bool
	}{{r.Group, "GROUP", false}, {r.Name, "INSTANCE", r.Group != ""}} {
		if subject.name != "" && p.states[subject.name] != event.State {
			p.say(event, subject.name, subject.title, subject.member)
		}
	}
}

// say has a state told.
func (p *pair) say(e notify.Event, name, title string, member bool) {
	e.Subject, e.Title, e.Member = notify.Subject{Kind: "vrrp", Name: name}, title, member
	p.states[name] = e.State
	p.tell(e)
}

// noticed records what else there is to know.
func (p *pair) noticed(n link.Notice) {
	p.seq = n.Seq
	e := audit.Entry{Time: n.At, Event: audit.EventVRRP, Actor: "vrrp", Router: n.Router, Reason: n.Words}
	if n.Alarm {
		e.Reason, e.Error = "", n.Words
	}
	p.record(e)
}

// told gives a state in keepalived's word.
func told(state string) string {
	if state == "stopped" {
		return "STOP"
	}
	return strings.ToUpper(state)
}

// roleOf sums a host's routers up for its check scripts: master if it is of anything.
func roleOf(s *link.State) string {
	role := "none"
	for _, r := range s.Routers {
		switch {
		case r.State == "master":
			return "master"
		case r.State == "fault" || role != "fault":
			role = r.State
		}
	}
	return role
}

// status gives what was last heard.
func (p *pair) status() (*link.State, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state, p.gone
}

// ask sends the vrrp process one request. errAlone is that it does not run.
func (p *pair) ask(ctx context.Context, m link.Message) error {
	c, err := link.Dial(ctx, p.socket)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // what was asked has been answered
	if _, err = c.Do(ctx, m); err != nil {
		return err
	}
	return nil
}

// absent tells whether an error of ask is that there is no vrrp process, rather than its word.
func absent(err error) bool { return errors.Is(err, link.ErrNoAnswer) }

// pairTimeout is for the vrrp process to answer.
const pairTimeout = 3 * time.Second
