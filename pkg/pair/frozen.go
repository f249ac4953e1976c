package pair

import (
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// Frozen is what one program hands to the next one in the same process, as JSON. That it may go on as master the record
// says.
type Frozen struct {
	Config      *link.Config            `json:"config"` // in force until then
	Seq         uint64                  `json:"seq"`
	Transitions []link.Transition       `json:"transitions,omitempty"`
	Notices     []link.Notice           `json:"notices,omitempty"`
	Word        link.Word               `json:"word"` // of `lvsd run`
	WordAt      vrrp.Instant            `json:"word_at,omitempty"`
	WordHeard   bool                    `json:"word_heard,omitempty"`
	Started     time.Time               `json:"started"`
	Routers     map[string]FrozenRouter `json:"routers"`
}

// FrozenRouter is one router of it.
type FrozenRouter struct {
	Router       Identity          `json:"router"`
	Socket       int               `json:"socket"` // descriptor that stays open over an exec; -1 is none
	State        vrrp.State        `json:"state"`
	Since        time.Time         `json:"since"`
	SinceAt      vrrp.Instant      `json:"since_at"`
	Cause        string            `json:"cause,omitempty"`
	Held         bool              `json:"held,omitempty"` // by the hold after the start
	Peer         netip.Addr        `json:"peer,omitzero"`
	PeerPriority uint8             `json:"peer_priority,omitempty"`
	Learned      time.Duration     `json:"learned_ns"`
	Election     uint64            `json:"election"`
	Transitions  uint64            `json:"transitions"`
	Sent         uint64            `json:"sent"`
	Heard        uint64            `json:"heard"`
	Refused      map[string]uint64 `json:"refused,omitempty"`
}

// handed is how much of the history is handed on.
const handed = 128

// freeze gives what the next program is to know. An advert is sent first, so that it has an interval to begin.
func (c *core) freeze(now moment) *Frozen {
	for _, g := range c.groups {
		for _, r := range g.routers {
			if m := r.machine(); m.State() == vrrp.Master && !m.Resigning() {
				c.transmit(now, r, r.message)
				c.enter(r)
			}
		}
	}
	f := &Frozen{
		Config: c.config, Seq: c.history.seq, Word: c.word.Word, WordAt: c.word.at, WordHeard: c.word.ever, Started: c.started,
		Routers: map[string]FrozenRouter{},
	}
	f.Transitions, f.Notices = c.history.since(0)
	f.Transitions = f.Transitions[max(0, len(f.Transitions)-handed):]
	f.Notices = f.Notices[max(0, len(f.Notices)-handed):]
	for _, r := range c.routers {
		m := r.machine()
		was := FrozenRouter{
			Router: identity(&r.config), Socket: -1, State: m.State(), Since: r.group.since.wall, SinceAt: r.group.since.at, Cause: r.group.cause, Held: m.Held(),
			Learned: m.Learned(), Election: r.election, Transitions: r.group.transitions, Sent: r.sent, Heard: r.heard,
			Refused: r.refusals(),
		}
		was.Peer, was.PeerPriority, _ = m.Peer()
		f.Routers[r.config.Name] = was
	}
	return f
}

// recall takes what the program before handed on.
func (c *core) recall(now moment, f *Frozen) {
	c.history = history{seq: max(c.history.seq, f.Seq), transitions: f.Transitions, notices: f.Notices}
	if f.WordHeard {
		c.word = heard{Word: f.Word, ever: true, at: min(f.WordAt, now.at)}
	}
	if !f.Started.IsZero() && f.Started.Before(now.wall) {
		c.started = f.Started
	}
	for _, g := range c.groups {
		for _, r := range g.routers {
			was, ok := f.Routers[r.config.Name]
			if !ok || was.Router != identity(&r.config) {
				continue
			}
			r.election, r.sent, r.heard = was.Election, was.Sent, was.Heard
			for why := range r.refused {
				r.refused[why].count = was.Refused[vrrp.Refusal(why).String()]
			}
			g.before, g.cause, g.transitions = was.State, was.Cause, was.Transitions
			g.since = moment{at: was.SinceAt, wall: was.Since}
		}
	}
}

func (r *router) refusals() map[string]uint64 {
	counts := map[string]uint64{}
	for why, n := range r.refused {
		if n.count > 0 {
			counts[vrrp.Refusal(why).String()] = n.count
		}
	}
	return counts
}
