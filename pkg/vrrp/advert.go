package vrrp

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Bounds of a message.
const (
	MaxVIPs    = 255                       // what its count can say
	MaxMessage = headSize + MaxVIPs*16 + 8 // bytes
	Unit       = 10 * time.Millisecond     // of the interval in version 3
	MaxV3      = 0xfff * Unit              // the longest interval of version 3
	MaxV2      = 255 * time.Second         // and of version 2, whose unit is the second
	headSize   = 8                         // before the addresses
	authSize   = len(Advert{}.Password)    // after them in version 2, always
	typeAdvert = 1                         // the only message there is
)

// Authentication types of version 2 (RFC 2338 section 5.3.6; RFC 3768 kept only the first).
const (
	AuthNone uint8 = 0
	AuthPass uint8 = 1 // a password, in clear
	authAH   uint8 = 2 // RFC 2402; neither sent nor accepted
)

// Advert is a VRRP message, all of it.
type Advert struct {
	Version  uint8         // 2 or 3
	VRID     uint8         // virtual router id
	Priority uint8         // PriorityLeave to PriorityOwner
	Interval time.Duration // between adverts; whole Units, or whole seconds in version 2
	Auth     uint8         // version 2: AuthNone or AuthPass
	Password [8]byte       // version 2: zero padded
	VIPs     []netip.Addr  // in the order of the message
}

// Append appends the message to b, and allocates nothing if b has room for it. It goes from src to dst, which are of one
// family; VIPs of the other family are left out, and so are those beyond MaxVIPs. The interval is rounded down to what the
// version can say, and is never 0. plain leaves the pseudo-header out of the checksum of version 3 over IPv4 (RFC 9568
// section 5.2.8); keepalived and FRR have it in by default.
func (a *Advert) Append(b []byte, src, dst netip.Addr, plain bool) []byte {
	start := len(b)
	b = append(b, a.Version<<4|typeAdvert, a.VRID, a.Priority, 0)
	if a.Version == 2 {
		b = append(b, a.Auth, byte(clamp(a.Interval/time.Second, 0xff)))
	} else {
		b = binary.BigEndian.AppendUint16(b, clamp(a.Interval/Unit, 0xfff))
	}
	b = append(b, 0, 0)
	count := byte(0)
	for _, v := range a.VIPs {
		if v.Is4() != src.Is4() || count == MaxVIPs {
			continue
		}
		count++
		if v.Is4() {
			v4 := v.As4()
			b = append(b, v4[:]...)
		} else {
			v6 := v.As16()
			b = append(b, v6[:]...)
		}
	}
	if a.Version == 2 {
		b = append(b, a.Password[:]...)
	}
	message := b[start:]
	message[3] = count
	s := sum(0, message)
	if covers(a.Version, src.Is4(), plain) {
		s += pseudo(src, dst, len(message))
	}
	binary.BigEndian.PutUint16(message[6:], ^fold(s))
	return b
}

// covers tells whether a checksum that we send covers a pseudo-header.
func covers(version uint8, is4, plain bool) bool { return !is4 || version == 3 && !plain }

// clamp gives n within 1 and limit.
func clamp(n time.Duration, limit uint16) uint16 { return uint16(min(max(n, 1), time.Duration(limit))) }
