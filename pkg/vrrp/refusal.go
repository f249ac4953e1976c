package vrrp

import "fmt"

// Refusal is why a packet is refused; the zero value is that it is not.
type Refusal uint8

// The refusals, in the order in which they are looked for, but that what has no whole head is Truncated before LowTTL. The
// first two are no fault of anybody: Ignored.
const (
	Accepted   Refusal = iota
	NotOurs            // another virtual router's
	Own                // this host's own, looped back
	LowTTL             // multicast that has passed a router: RFC 9568 section 5.1.1.3 and 5.1.2.3
	BadVersion         // of the other version: both are master
	BadType            // not an advert
	Truncated          // shorter than it says it is
	Extension          // something unknown follows the addresses, such as keepalived's HMAC
	BadChecksum
	ByMulticast // and unicast peers are configured here
	ByUnicast   // and no peers are configured here
	Stranger    // unicast, and its sender is no peer
	NoVIPs
	NoInterval
	BadAuth // version 2: another type of authentication
	BadPassword
	BadInterval // version 2: another interval

	Refusals // how many there are
)

var refusals = [Refusals]string{
	Accepted:    "accepted",
	NotOurs:     "other virtual router",
	Own:         "own packet",
	LowTTL:      "TTL not 255",
	BadVersion:  "other version",
	BadType:     "unknown type",
	Truncated:   "cut short",
	Extension:   "unknown extension",
	BadChecksum: "bad checksum",
	ByMulticast: "multicast instead of unicast",
	ByUnicast:   "unicast instead of multicast",
	Stranger:    "not a peer",
	NoVIPs:      "no addresses",
	NoInterval:  "interval 0",
	BadAuth:     "other authentication",
	BadPassword: "other password",
	BadInterval: "other interval",
}

// String names the reason in a few words that never change; they are the keys of counters.
func (r Refusal) String() string {
	if r < Refusals {
		return refusals[r]
	}
	return fmt.Sprintf("refusal %d", uint8(r))
}

// Ignored tells that the packet is not meant for this router, and so is neither counted nor alarmed.
func (r Refusal) Ignored() bool { return r == NotOurs || r == Own }

// Words says of a packet that e refused for reason r who sent it and what differs, for an operator. No byte of the packet
// is shown but as a number. It allocates.
func (e *Expect) Words(r Refusal, p Packet) string {
	what := e.differs(r, head(p.Payload), p)
	if what == "" {
		what = "it is refused: " + r.String()
	}
	return fmt.Sprintf("%v sends VRRP with our id %d: %s", p.Src, e.VRID, what)
}

// head gives the first bytes of a message, zeros where it has none.
func head(payload []byte) (h [headSize]byte) {
	copy(h[:], payload)
	return h
}

func (e *Expect) differs(r Refusal, h [headSize]byte, p Packet) string {
	switch r {
	case Truncated:
		return fmt.Sprintf("it has %d bytes, fewer than its %d addresses need", len(p.Payload), h[3])
	case LowTTL:
		return fmt.Sprintf("it came with TTL %d instead of %d, so from beyond a router", p.TTL, TTL)
	case BadVersion:
		return fmt.Sprintf("it is version %d, this router is version %d, and so both will be master", h[0]>>4, e.Version)
	case BadType:
		return fmt.Sprintf("it is of type %d, and only 1 is known", h[0]&0xf)
	case Extension:
		return fmt.Sprintf("%d bytes of an unknown extension follow its %d addresses", len(p.Payload)-messageSize(h, p.Src), h[3])
	case ByMulticast:
		return "it is multicast, this router has unicast peers, and so both will be master"
	case ByUnicast:
		return fmt.Sprintf("it is unicast to %v, this router is multicast, and so both will be master", p.Dst)
	case Stranger:
		return fmt.Sprintf("it is no peer; the peers are %v", e.Peers)
	case NoVIPs:
		return "it names no address"
	case BadAuth:
		return fmt.Sprintf("it has %s, this router has %s", authWords(h[4]), authWords(e.Auth))
	case BadPassword:
		return "its password is another one; keepalived cuts one after 8 characters"
	case BadInterval:
		return fmt.Sprintf("its interval is %d s, and version 2 wants all to have one; this router has %v", h[5], e.Interval)
	}
	return ""
}

func authWords(auth uint8) string {
	switch auth {
	case AuthNone:
		return "no password"
	case AuthPass:
		return "a password"
	case authAH:
		return "an IPsec authentication header"
	}
	return fmt.Sprintf("authentication of type %d", auth)
}

// Remark is what is worth telling of a packet that is accepted. They are bits.
type Remark uint8

// The remarks.
const (
	ListDiffers       Remark = 1 << iota // its addresses are not ours (RFC 9568 section 7.1: log, accept)
	ListDisjoint                         // none of its addresses is ours: two virtual routers have one id
	FirstNotLinkLocal                    // IPv6: its first address should be link-local (section 5.2.9), and keepalived's may not be
	IntervalDiffers                      // version 3: it was learned
)
