package lvs

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// String gives the change as ipvsadm's arguments, numeric and complete: run by ipvsadm, or read by `ipvsadm -R`, it does
// what the change does.
func (c Change) String() string {
	key := c.Key.arguments()
	switch c.Op {
	case AddService:
		return "-A " + key + c.Service.arguments(c.Key)
	case EditService:
		return "-E " + key + c.Service.arguments(c.Key)
	case DelService:
		return "-D " + key
	case AddServer:
		return "-a " + key + " -r " + c.Addr.String() + c.Server.arguments() + c.Server.thresholds()
	case EditServer:
		return "-e " + key + " -r " + c.Addr.String() + c.Server.arguments() + c.Server.thresholds()
	case DelServer:
		return "-d " + key + " -r " + c.Addr.String()
	default:
		return fmt.Sprintf("Change(%d)", c.Op)
	}
}

// String gives the table as `ipvsadm-save -n` prints it, in the same order (see Table.Listed). Like that program it
// leaves out the thresholds of servers; Changes have them.
func (t Table) String() string {
	var b strings.Builder
	for _, key := range t.Listed() {
		entry := t[key]
		b.WriteString("-A " + key.arguments() + entry.Service.arguments(key) + "\n")
		for _, addr := range entry.Listed() {
			b.WriteString("-a " + key.arguments() + " -r " + addr.String() + entry.Servers[addr].arguments() + "\n")
		}
	}
	return b.String()
}

func (k Key) arguments() string {
	switch {
	case k.Mark != 0 && k.IPv6:
		return "-f " + strconv.FormatUint(uint64(k.Mark), 10) + " -6"
	case k.Mark != 0:
		return "-f " + strconv.FormatUint(uint64(k.Mark), 10)
	case k.Protocol == UDP:
		return "-u " + k.Addr.String()
	case k.Protocol == SCTP:
		return "--sctp-service " + k.Addr.String()
	default:
		return "-t " + k.Addr.String()
	}
}

func (s Service) arguments(k Key) string {
	var b strings.Builder
	b.WriteString(" -s " + s.Scheduler)
	if s.Flags&Persistent != 0 {
		b.WriteString(" -p " + seconds(s.Timeout))
		if s.Netmask != k.Bits() {
			b.WriteString(" -M " + k.mask(s.Netmask))
		}
	}
	if s.Engine != "" {
		b.WriteString(" --pe " + s.Engine)
	}
	if s.Flags&OnePacket != 0 {
		b.WriteString(" -o")
	}
	if names := s.flagNames(); len(names) > 0 {
		b.WriteString(" -b " + strings.Join(names, ","))
	}
	return b.String()
}

// flagNames gives the scheduler's flags by the names that sh and mh have for theirs.
func (s Service) flagNames() []string {
	names := [...]string{"flag-1", "flag-2", "flag-3"}
	if s.Scheduler == "sh" || s.Scheduler == "mh" {
		names = [...]string{s.Scheduler + "-fallback", s.Scheduler + "-port", "flag-3"}
	}
	var set []string
	for i, flag := range [...]Flags{Sched1, Sched2, Sched3} {
		if s.Flags&flag != 0 {
			set = append(set, names[i])
		}
	}
	return set
}

func (s Server) arguments() string {
	var b strings.Builder
	switch s.Forward {
	case NAT:
		b.WriteString(" -m")
	case Tunnel:
		b.WriteString(" -i")
	default:
		b.WriteString(" -g")
	}
	b.WriteString(" -w " + strconv.Itoa(s.Weight))
	if s.Forward == Tunnel {
		b.WriteString(s.Encap.arguments())
	}
	return b.String()
}

func (s Server) thresholds() string {
	if s.Upper == 0 && s.Lower == 0 {
		return ""
	}
	return fmt.Sprintf(" -x %d -y %d", s.Upper, s.Lower)
}

// The checksum flags of a tunnel: IP_VS_TUNNEL_ENCAP_FLAG_ of include/uapi/linux/ip_vs.h.
const (
	EncapChecksum       uint16 = 1
	EncapRemoteChecksum uint16 = 2
)

func (e Encap) arguments() string {
	sum := " --tun-nocsum"
	switch {
	case e.Flags&EncapChecksum != 0:
		sum = " --tun-csum"
	case e.Flags&EncapRemoteChecksum != 0:
		sum = " --tun-remcsum"
	}
	switch e.Type {
	case GUE:
		return fmt.Sprintf(" --tun-type gue --tun-port %d%s", e.Port, sum)
	case GRE:
		return " --tun-type gre" + sum
	default:
		return " --tun-type ipip"
	}
}

// Bits is the length of the service's addresses, 32 or 128: the netmask of a service that groups no clients.
func (k Key) Bits() int {
	if k.Is6() {
		return 128
	}
	return 32
}

// mask gives a netmask as ipvsadm writes it: dotted for IPv4, a prefix length for IPv6.
func (k Key) mask(bits int) string {
	if k.Is6() || bits < 0 || bits > 32 {
		return strconv.Itoa(bits)
	}
	m := ^uint32(0) << (32 - bits)
	return netip.AddrFrom4([4]byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)}).String()
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }
