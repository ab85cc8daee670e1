package phone

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/pion/rtp"
)

// One packet of RTP has 20 ms.
const (
	packetTime    = 20 * time.Millisecond
	packetSamples = Rate / 50
)

// audio is the media side of one call: it sends what is played and reads the keys
// that are pressed. Its address is where audio is wanted until audio comes from
// another one: behind a translator of addresses only that is right.
type audio struct {
	conn *net.UDPConn
	keys chan byte // pressed; closed when nothing more is read

	mu     sync.Mutex
	answer answer
	heard  bool // audio came from the address that is in answer

	sequence  uint16
	timestamp uint32
	source    uint32
}

// listenAudio opens the socket, at a port of the range, of which an even one is
// taken; 0 and 0: any port.
func listenAudio(ip netip.Addr, first, last uint16) (*audio, error) {
	a := &audio{keys: make(chan byte, 64), sequence: uint16(rand.Uint32()), timestamp: rand.Uint32(), source: rand.Uint32()}
	span := int(last) - int(first) + 1
	for try := range max(span, 1) {
		port := uint16(0)
		if first > 0 {
			port = first + uint16((int(rand.Uint32()>>1)+try)%span)&^1
		}
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
			if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
			continue // such as "port unreachable" of a packet that we sent
		}
		var p rtp.Packet
		if p.Unmarshal(buf[:n]) != nil {
			continue
		}
		peer := a.latch(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		if peer.events == 0 || p.PayloadType != peer.events {
			continue
		}
		if key, ok := k.press(p.Timestamp, p.Payload); ok {
			select {
			case a.keys <- key:
			default: // nobody reads so many
			}
		}
	}
}

// latch takes over the first address that audio comes from.
func (a *audio) latch(from netip.AddrPort) answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.heard && a.answer.remote.IsValid() {
		a.heard, a.answer.remote = true, from
	}
	return a.answer
}

// play sends the samples at their pace and returns when all are sent, or ctx ends.
func (a *audio) play(ctx context.Context, samples []int16) error {
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; n*packetSamples < len(samples); n++ {
		timer.Reset(time.Until(began.Add(time.Duration(n) * packetTime)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		end := min((n+1)*packetSamples, len(samples))
		if err := a.send(samples[n*packetSamples:end], n == 0); err != nil {
			return err
		}
	}
	return nil
}

// send sends one packet. A short one is filled up with silence.
func (a *audio) send(samples []int16, first bool) error {
	peer := a.peer()
	encode := muLaw
	if peer.codec == typePCMA {
		encode = aLaw
	}
	payload := make([]byte, packetSamples)
	for i := range payload {
		if i < len(samples) {
			payload[i] = encode(samples[i])
		} else {
			payload[i] = encode(0)
		}
	}
	p := rtp.Packet{Payload: payload, Header: rtp.Header{
		Version: 2, Marker: first, PayloadType: peer.codec, SequenceNumber: a.sequence, Timestamp: a.timestamp, SSRC: a.source,
	}}
	a.sequence++
	a.timestamp += packetSamples
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
// with one time stamp.
type keypad struct {
	last uint32
	any  bool
}

const keys = "0123456789*#ABCD"

func (k *keypad) press(timestamp uint32, payload []byte) (byte, bool) {
	if len(payload) < 4 || int(payload[0]) >= len(keys) || k.any && k.last == timestamp {
		return 0, false
	}
	k.last, k.any = timestamp, true
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
