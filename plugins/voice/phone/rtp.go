package phone

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/pion/rtp"
)

// silence is how much of it is sent at once: half a second.
const silence = Rate / 2

// audio is the media side of one call: it sends what is played and reads the keys
// that are pressed.
type audio struct {
	conn *net.UDPConn
	keys chan byte // pressed; closed when nothing more is read

	mu     sync.Mutex
	answer answer
	heard  bool // audio came from the address that is in answer

	// Of what is sent, by one goroutine.
	next      time.Time // when the next packet is due
	fresh     bool      // it is the first after a pause
	sequence  uint16
	timestamp uint32
	source    uint32
}

// listenAudio opens the socket, at an even port of the range; 0 and 0: any port.
func listenAudio(ip netip.Addr, first, last uint16) (*audio, error) {
	a := &audio{keys: make(chan byte, 64), sequence: uint16(rand.Uint32()), timestamp: rand.Uint32(), source: rand.Uint32()}
	low := (int(first) + 1) / 2
	span := int(last)/2 - low + 1
	from := rand.IntN(span)
	for n := range span {
		port := uint16(2 * (low + (from+n)%span))
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, port)))
		if err == nil {
			a.conn = conn
			return a, nil
		}
		if first == 0 {
			return nil, err
		}
	}
	return nil, errors.New("all ports for audio are in use")
}

func (a *audio) port() uint16 { return a.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

func (a *audio) close() { _ = a.conn.Close() }

// connect sets what the other side said of the media.
func (a *audio) connect(to answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer, a.heard = to, false
}

func (a *audio) peer() answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.answer
}

// read reads until the socket is closed. It belongs to a goroutine of its own.
func (a *audio) read() {
	defer close(a.keys)
	var k keypad
	buf := make([]byte, 1500)
	for {
		n, from, err := a.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // such as "port unreachable" of a packet that we sent
		}
		var p rtp.Packet
		if p.Unmarshal(buf[:n]) != nil || p.Version != 2 {
			continue
		}
		events, ok := a.latch(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), p.PayloadType)
		if !ok || events == 0 || p.PayloadType != events {
			continue
		}
		if key, ok := k.press(p.SSRC, p.Timestamp, p.Payload); ok {
			select {
			case a.keys <- key:
			default: // nobody reads so many
			}
		}
	}
}

// latch says whether audio from an address is the other side's, and which type its
// telephone events have. It is wanted where the other side says, until the first
// comes from elsewhere: behind a translator of addresses only that is right. That may
// be another port of the same host, or a public address of one that has a private
// one; anybody else could listen in, or press keys.
func (a *audio) latch(from netip.AddrPort, payload uint8) (events uint8, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	said := a.answer.remote
	switch {
	case !said.IsValid():
		return 0, false
	case from == said:
		a.heard = true
	case a.heard || payload != a.answer.codec && (a.answer.events == 0 || payload != a.answer.events):
		return 0, false
	case from.Addr() == said.Addr(), hidden(said.Addr()) && !hidden(from.Addr()):
		a.heard, a.answer.remote = true, from
	default:
		return 0, false
	}
	return a.answer.events, true
}

// shared are the addresses behind the translators of carriers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// hidden says whether an address means nothing to the world outside.
func hidden(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || shared.Contains(a)
}

// play sends the samples at their pace and returns when all are sent, or ctx ends.
// Calls of it follow one another without a gap. While the other side wants no audio,
// it waits.
func (a *audio) play(ctx context.Context, samples []int16) error {
	for len(samples) > 0 {
		peer := a.peer()
		if err := a.tick(ctx, peer.packet); err != nil {
			return err
		}
		if peer.held {
			a.timestamp += uint32(peer.packet)
			a.fresh = true
			continue
		}
		n := min(peer.packet, len(samples))
		if err := a.send(peer, samples[:n]); err != nil {
			return err
		}
		samples = samples[n:]
	}
	return nil
}

// stall is how late a packet may be. After more the clock starts anew: the other side
// could do nothing with all that is late at once.
const stall = 100 * time.Millisecond

// tick waits until the next packet, of so many samples, is due.
func (a *audio) tick(ctx context.Context, samples int) error {
	now := time.Now()
	if now.Sub(a.next) > stall {
		a.next, a.fresh = now, true
	}
	timer := time.NewTimer(a.next.Sub(now))
	defer timer.Stop()
	a.next = a.next.Add(time.Duration(samples) * time.Second / Rate)
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send sends one packet. A short one is filled up with silence.
func (a *audio) send(peer answer, samples []int16) error {
	encode := muLaw
	if peer.codec == typePCMA {
		encode = aLaw
	}
	payload := make([]byte, peer.packet)
	for i := range payload {
		if i < len(samples) {
			payload[i] = encode(samples[i])
		} else {
			payload[i] = encode(0)
		}
	}
	p := rtp.Packet{Payload: payload, Header: rtp.Header{
		Version: 2, Marker: a.fresh, PayloadType: peer.codec, SequenceNumber: a.sequence, Timestamp: a.timestamp, SSRC: a.source,
	}}
	a.fresh = false
	a.sequence++
	a.timestamp += uint32(peer.packet)
	b, err := p.Marshal()
	if err != nil {
		return err
	}
	_, err = a.conn.WriteToUDPAddrPort(b, peer.remote)
	if errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil // one packet that is lost is not the end of the call
}

// keypad makes keys of telephone events (RFC 4733): each is sent in many packets
// with one time stamp, and one that is older has been overtaken.
type keypad struct {
	source, last uint32
	any          bool
}

const keys = "0123456789*#ABCD"

func (k *keypad) press(source, timestamp uint32, payload []byte) (byte, bool) {
	if len(payload) < 4 || int(payload[0]) >= len(keys) {
		return 0, false
	}
	if k.any && k.source == source && int32(timestamp-k.last) <= 0 {
		return 0, false
	}
	k.source, k.last, k.any = source, timestamp, true
	return keys[payload[0]], true
}

// infoKey reads a key out of the body of an INFO request, as many telephones send
// them in place of events: application/dtmf-relay, or the key alone.
func infoKey(body []byte) (byte, bool) {
	text := string(body)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, "="); ok && strings.EqualFold(strings.TrimSpace(name), "signal") {
			text = value
		}
	}
	text = strings.ToUpper(strings.TrimSpace(text))
	if len(text) != 1 || !strings.Contains(keys, text) {
		return 0, false
	}
	return text[0], true
}
