package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// way is how a vendor misbehaves. What it is asked for has an effect only if it
// said 200.
type way string

// The ways.
const (
	hangs     way = "30 s hang"
	drips     way = "1 byte/s"
	resets    way = "reset"
	halfOpen  way = "half-open"
	wrongTLS  way = "TLS error"
	throttles way = "429"
	fails     way = "500"
	cuts      way = "200, then close"
	redirects way = "redirect loop"
)

// waysOfVendors are all of them: the vendor of that number is bad in that way.
var waysOfVendors = []way{hangs, drips, resets, halfOpen, wrongTLS, throttles, fails, cuts, redirects}

const (
	hangFor    = 30 * time.Second
	retryAfter = 2 // seconds, with 429
)

// vendor is a contact center that speaks Enghouse's protocol, as far as a
// customer's messages and an agent's answers need it.
type vendor struct {
	number int
	url    string
	server http.Server
	well   tls.Certificate // wrongTLS alone: else it is plain HTTP
	wrong  tls.Certificate

	posts, polls, conns atomic.Int64

	mu      sync.Mutex
	way     way           // "": it is well
	over    chan struct{} // closed when the way ends
	open    map[net.Conn]bool
	chats   map[string]*vendorChat
	took    map[string][]arrival // by the id in the text
	order   int64
	answers []string // ids of what agents said, in the order of each chat
}

type vendorChat struct {
	events []vendorEvent
}

type vendorEvent struct {
	ID     int    `json:"Event_ID"`
	Cmd    string `json:"Command"`
	Status int    `json:"Status_Code,omitempty"`
	Name   string `json:"Participant_Name,omitempty"`
	Text   string `json:"Message_Text,omitempty"`
}

func newVendor(number int) (*vendor, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	v := &vendor{number: number, over: make(chan struct{}), open: map[net.Conn]bool{},
		chats: map[string]*vendorChat{}, took: map[string][]arrival{}}
	v.server.Handler = v
	v.server.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail
	v.url = "http://" + ln.Addr().String()
	ln = &door{ln, v}
	if number < len(waysOfVendors) && waysOfVendors[number] == wrongTLS {
		if v.well, err = certificate(); err == nil {
			v.wrong, err = certificate()
		}
		if err != nil {
			return nil, err
		}
		v.url = "https://" + strings.TrimPrefix(v.url, "http://")
		ln = tls.NewListener(ln, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: v.certificate})
	}
	go func() { _ = v.server.Serve(ln) }()
	return v, nil
}

// becomes starts a way, or ends it with "". Connections end with what was.
func (v *vendor) becomes(w way) {
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.over)
	v.way, v.over = w, make(chan struct{})
	for c := range v.open {
		_ = c.Close()
	}
}

func (v *vendor) is() (way, chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.way, v.over
}

// door knows the connections, and lets none in while the vendor is half-open:
// the other side believes in it, and nobody reads.
type door struct {
	net.Listener
	v *vendor
}

func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		d.v.conns.Add(1)
		c = &knownConn{Conn: c, v: d.v}
		d.v.mu.Lock()
		d.v.open[c] = true
		w := d.v.way
		d.v.mu.Unlock()
		if w != halfOpen {
			return c, nil
		}
	}
}

type knownConn struct {
	net.Conn
	v *vendor
}

// Close implements net.Conn.
func (c *knownConn) Close() error {
	go c.forget() // who closes may hold the vendor
	return c.Conn.Close()
}

func (c *knownConn) forget() {
	c.v.mu.Lock()
	delete(c.v.open, c)
	c.v.mu.Unlock()
}

func (v *vendor) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if w, _ := v.is(); w == wrongTLS {
		return &v.wrong, nil
	}
	return &v.well, nil
}

// certificate makes one that its owner has signed.
func certificate() (c tls.Certificate, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// ca returns the authority to trust, in PEM; nil for a vendor of plain HTTP.
func (v *vendor) ca() []byte {
	if v.well.Certificate == nil {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.well.Certificate[0]})
}

// ServeHTTP answers one call, or does not.
func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		v.posts.Add(1)
	} else {
		v.polls.Add(1)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	is, over := v.is()
	switch is {
	case hangs, halfOpen:
		wait(r, over, hangFor)
		panic(http.ErrAbortHandler)
	case drips:
		v.answer(r.URL, body)
		v.drip(w, r, over)
	case resets:
		resetConn(w)
	case throttles:
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		w.WriteHeader(http.StatusTooManyRequests)
	case fails:
		w.WriteHeader(http.StatusInternalServerError)
	case redirects:
		http.Redirect(w, r, r.URL.String(), http.StatusTemporaryRedirect)
	case cuts:
		v.answer(r.URL, body)
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		if a := v.answer(r.URL, body); a != nil {
			_ = json.NewEncoder(w).Encode(a)
		}
	}
}

// wait waits until the way is over, the client has gone, or d has passed.
func wait(r *http.Request, over <-chan struct{}, d time.Duration) (ended bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-over:
	case <-r.Context().Done():
	case <-t.C:
		return false
	}
	return true
}

func (v *vendor) drip(w http.ResponseWriter, r *http.Request, over <-chan struct{}) {
	w.Header().Set("Content-Length", "1000")
	for range 1000 {
		if _, err := io.WriteString(w, " "); err != nil || http.NewResponseController(w).Flush() != nil {
			break
		}
		if wait(r, over, time.Second) {
			break
		}
	}
	panic(http.ErrAbortHandler)
}

func resetConn(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if k, ok := c.(*knownConn); ok {
		if t, ok := k.Conn.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
	}
	_ = c.Close()
}

// answer does what a call asks for and returns the answer, nil for an empty one.
func (v *vendor) answer(u *url.URL, body []byte) any {
	v.mu.Lock()
	defer v.mu.Unlock()
	if q := u.Query(); q.Get("command") == "getevents" {
		last, _ := strconv.Atoi(q.Get("Last_Event_ID"))
		if c := v.chats[q.Get("Connection_ID")]; c != nil && last < len(c.events) {
			return map[string]any{"Events": c.events[max(last, 0):]}
		}
		return struct{}{}
	}
	var said struct {
		ID    string `json:"Connection_ID"`
		Text  string `json:"Message_Text"`
		First string `json:"Calling_User_HardMessage"`
	}
	_ = json.Unmarshal(body, &said)
	switch u.RawQuery {
	case "joinchat":
		id := fmt.Sprintf("v%d-%d", v.number, len(v.chats)+1)
		v.chats[id] = &vendorChat{events: []vendorEvent{{ID: 1, Cmd: "status", Status: 106}}}
		v.heard(v.chats[id], said.First)
		return map[string]string{"Connection_ID": id}
	case "sendmsg":
		if c := v.chats[said.ID]; c != nil {
			v.heard(c, said.Text)
		}
	}
	return nil
}

// answersEvery is after how many messages of a customer the agent says something.
const answersEvery = 4

// heard notes a customer's message, and now and then has the agent answer. The
// caller holds v.mu.
func (v *vendor) heard(c *vendorChat, text string) {
	id, _, _ := strings.Cut(text, " ")
	v.order++
	v.took[id] = append(v.took[id], arrival{order: v.order, at: time.Now()})
	if v.order%answersEvery != 0 || len(v.took[id]) > 1 {
		return
	}
	said := id + ".answer"
	v.answers = append(v.answers, said)
	c.events = append(c.events, vendorEvent{ID: len(c.events) + 1, Cmd: "read", Name: "Ann", Text: said + " indeed"})
}
