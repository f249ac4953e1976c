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
	"github.com/lvsd/lvsd/pkg/pair"
	"github.com/lvsd/lvsd/pkg/reconcile"
)

// partnerFile keeps in the state directory how far the vrrp process' transitions have been recorded.
const partnerFile = "vrrp.json"

type partnerState struct {
	Format int    `json:"format"`
	Boot   string `json:"boot"`
	Seq    uint64 `json:"seq"`
}

// partner is this process' side of the vrrp process: it passes on the director's reasons, records what happens there, and
// has it told. It works from start on, whether or not the other process runs.
type partner struct {
	socket string
	record func(audit.Entry)
	tell   func(notify.Event)
	role   func(string) // master, backup, fault or none: for check scripts
	words  chan link.Word
	kept   *reconcile.Loop[partnerState]
	since  partnerState // as read at the start

	// Only the goroutine of follow sees these.
	seq    uint64
	states map[string]string // of each subject, as last told

	mu    sync.Mutex
	word  link.Word   // as last said
	stood bool        // the director has said its first
	state *link.State // as last heard; nil if never, or if the other process has gone
	gone  error       // why it is not heard; nil if it is, or if nobody has looked
}

func newPartner(socket, dir string, since partnerState, record func(audit.Entry), tell func(notify.Event), role func(string), trouble func(error)) *partner {
	p := &partner{
		socket: socket, record: record, tell: tell, role: role, since: since, seq: since.Seq,
		words: make(chan link.Word, 1), states: map[string]string{},
	}
	p.kept = reconcile.NewLoop(func(s partnerState, fresh bool) error {
		if !fresh {
			return nil
		}
		err := writeState(filepath.Join(dir, partnerFile), s)
		if err != nil {
			trouble(err)
		}
		return err
	}, verdictsRetry, verdictsAgain)
	return p
}

// readPartner reads how far the record is. The vrrp process counts anew after a boot.
func readPartner(dir string) (partnerState, error) {
	var s partnerState
	if err := readState(filepath.Join(dir, partnerFile), &s); err != nil {
		return partnerState{}, err
	}
	if boot, err := pair.Boot(); err != nil || s.Boot != boot {
		s.Seq = 0
	}
	return s, nil
}

// stand hands the director's reasons on. It never blocks.
func (p *partner) stand(reasons map[string][]link.Reason) {
	p.say(func(w *link.Word) { w.Reasons, p.stood = reasons, true })
}

// ready tells that the first table is in the kernel.
func (p *partner) ready() { p.say(func(w *link.Word) { w.Ready = true }) }

// say changes the word; the newest counts. Before the director has said its first, an earlier process' word holds.
func (p *partner) say(change func(*link.Word)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.word)
	if !p.stood {
		return
	}
	select {
	case <-p.words: // overtaken
	default:
	}
	p.words <- p.word // there is room: only this sends, under the lock
}

// follow lives with the vrrp process until ctx is done.
func (p *partner) follow(ctx context.Context) {
	keeping := make(chan struct{})
	go func() { defer close(keeping); p.kept.Run() }()
	link.Follow(ctx, link.Following{Path: p.socket, Since: p.since.Seq, Words: p.words, Heard: p.heard, Turned: p.turned})
	p.kept.Close()
	<-keeping
}

// turned tells that the vrrp process is heard, or no longer.
func (p *partner) turned(up bool, err error) {
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
func (p *partner) heard(m link.Message) {
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
	if now := (partnerState{Format: stateFormat, Boot: m.State.Boot, Seq: p.seq}); now != p.since {
		p.since = now
		p.kept.Set(now)
	}
}

// moved records a transition and has it told.
func (p *partner) moved(t link.Transition) {
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
		p.pass(event, t.Group, "GROUP", false)
	}
	for _, r := range t.Routers {
		p.pass(event, r, "INSTANCE", t.Group != "")
	}
}

// level tells the state of a router, or of its group, that no transition has told: after a start.
func (p *partner) level(s *link.State, r link.RouterState) {
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
			p.pass(event, subject.name, subject.title, subject.member)
		}
	}
}

// pass has a state told.
func (p *partner) pass(e notify.Event, name, title string, member bool) {
	e.Subject, e.Title, e.Member = notify.Subject{Kind: "vrrp", Name: name}, title, member
	p.states[name] = e.State
	p.tell(e)
}

// noticed records what else there is to know.
func (p *partner) noticed(n link.Notice) {
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
func (p *partner) status() (*link.State, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state, p.gone
}

// ask sends the vrrp process one request, and waits for its answer.
func (p *partner) ask(ctx context.Context, m link.Message) error {
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

// partnerTimeout is for the vrrp process to answer.
const partnerTimeout = 3 * time.Second
