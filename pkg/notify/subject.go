package notify

import "net/netip"

// ServerSubject is a real or sorry server of a service; virtual services of one name that have it share it.
func ServerSubject(service string, server netip.AddrPort) Subject {
	return Subject{Kind: "server", Name: service + "/" + server.String()}
}
