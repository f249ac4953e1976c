package lab

import (
	"io"
	"net"
)

// TCPServer greets whoever connects and then sends back what it gets. It follows the modes that need no request: OK, Hang,
// Close, Reset and Refuse.
type TCPServer struct{ server }

// TCP starts a TCP server on a port of the host. It ends with the test.
func (h *Host) TCP(port uint16, greeting string) *TCPServer {
	h.net.t.Helper()
	s := &TCPServer{server{host: h, addresses: wildcards([]uint16{port})}}
	s.serve = func(c net.Conn, _ Mode) {
		if _, err := io.WriteString(c, greeting); err == nil {
			_, _ = io.Copy(c, c)
		}
	}
	s.start()
	return s
}
