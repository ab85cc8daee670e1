package httpd

import "time"

// Limits bound what clients can make the gateway hold. Zero fields take the
// defaults.
type Limits struct {
	Body         int           // bytes of one body; default 1 MiB
	Bodies       int64         // bytes of all bodies in hand; default 256 MiB
	Header       int           // bytes of request line and headers, also the read buffer of a connection; default 8 KiB
	Headers      int           // fields; default 100
	Conns        int           // open connections; default 16384
	ConnsPerAddr int           // open connections of one IPv4 address or IPv6 /64, trusted proxies excepted; default 1000
	InFlight     int           // requests in hand; default 4096
	Sockets      int           // open WebSockets; default 8192
	SocketFrame  int64         // bytes of one WebSocket message; default 256 KiB
	SocketPing   time.Duration // between keepalive pings, two without an answer end the socket; default 30 s
	Read         time.Duration // for head and body of one request to arrive; default 5 s
	Write        time.Duration // for a response to leave; default 5 s
	Idle         time.Duration // between requests; default 60 s
	Request      time.Duration // for a request to be handled; default 10 s
	Drain        time.Duration // for the requests in hand when the server stops; default 4 s
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.Body, 1<<20)
	setDefault(&l.Bodies, 256<<20)
	setDefault(&l.Header, 8<<10)
	setDefault(&l.Headers, 100)
	setDefault(&l.Conns, 16<<10)
	setDefault(&l.ConnsPerAddr, 1000)
	setDefault(&l.InFlight, 4096)
	setDefault(&l.Sockets, 8192)
	setDefault(&l.SocketFrame, 256<<10)
	setDefault(&l.SocketPing, 30*time.Second)
	setDefault(&l.Read, 5*time.Second)
	setDefault(&l.Write, 5*time.Second)
	setDefault(&l.Idle, time.Minute)
	setDefault(&l.Request, 10*time.Second)
	setDefault(&l.Drain, 4*time.Second)
	return l
}

func setDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
