package phone

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pion/sdp/v3"
)

// Payload types of RTP (RFC 3551); that of telephone events is ours to choose.
const (
	typePCMU   = 0
	typePCMA   = 8
	typeEvents = 101
)

var errCodec = errors.New("the other side offers neither PCMU nor PCMA")

// media is what we say of our side of a call (RFC 3264).
type media struct {
	local netip.AddrPort

	mu sync.Mutex
	id uint64
	v  uint64 // counts what we said
}

func newMedia(local netip.AddrPort) *media {
	now := uint64(time.Now().UnixNano())
	return &media{local: local, id: now, v: now}
}

// offer is all that we can.
func (m *media) offer() []byte {
	return m.say(m.audio([]string{"0", "8", strconv.Itoa(typeEvents)}, typeEvents, "sendrecv"))
}

// answer answers an offer, such as that of a hold, and says what it is about.
func (m *media) answer(body []byte) (ours []byte, theirs answer, err error) {
	d, at, err := readAudio(body)
	if err != nil {
		return nil, theirs, err
	}
	if theirs, err = answerOf(d, d.MediaDescriptions[at]); err != nil {
		return nil, theirs, err
	}
	lines := make([]*sdp.MediaDescription, len(d.MediaDescriptions)) // as many as there are, in order
	for i, line := range d.MediaDescriptions {
		lines[i] = &sdp.MediaDescription{MediaName: line.MediaName} // refused
		lines[i].MediaName.Port = sdp.RangedPort{}
	}
	formats := []string{strconv.Itoa(int(theirs.codec))}
	if theirs.events > 0 {
		formats = append(formats, strconv.Itoa(int(theirs.events)))
	}
	back := map[string]string{"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}[direction(d, d.MediaDescriptions[at])]
	if back == "" {
		back = "sendrecv"
	}
	lines[at] = m.audio(formats, theirs.events, back)
	return m.say(lines...), theirs, nil
}

// audio is the line of our audio.
func (m *media) audio(formats []string, events uint8, direction string) *sdp.MediaDescription {
	line := &sdp.MediaDescription{MediaName: sdp.MediaName{
		Media: "audio", Port: sdp.RangedPort{Value: int(m.local.Port())}, Protos: []string{"RTP", "AVP"}, Formats: formats,
	}}
	for _, codec := range []string{"0 PCMU/8000", "8 PCMA/8000"} {
		if slices.Contains(formats, codec[:1]) {
			line.WithValueAttribute("rtpmap", codec)
		}
	}
	if events > 0 {
		number := strconv.Itoa(int(events))
		line.WithValueAttribute("rtpmap", number+" telephone-event/8000").WithValueAttribute("fmtp", number+" 0-15")
	}
	return line.WithValueAttribute("ptime", "20").WithPropertyAttribute(direction)
}

// say makes the next description of our side.
func (m *media) say(lines ...*sdp.MediaDescription) []byte {
	m.mu.Lock()
	m.v++
	version := m.v
	m.mu.Unlock()
	family, address := "IP4", m.local.Addr().String()
	if m.local.Addr().Is6() {
		family = "IP6"
	}
	d := sdp.SessionDescription{
		Origin:                sdp.Origin{Username: "-", SessionID: m.id, SessionVersion: version, NetworkType: "IN", AddressType: family, UnicastAddress: address},
		SessionName:           "-",
		ConnectionInformation: &sdp.ConnectionInformation{NetworkType: "IN", AddressType: family, Address: &sdp.Address{Address: address}},
		TimeDescriptions:      []sdp.TimeDescription{{}},
		MediaDescriptions:     lines,
	}
	b, _ := d.Marshal() // it always returns nil
	return b
}

// answer is what the other side says of the media.
type answer struct {
	remote netip.AddrPort // where it wants audio; from other addresses it may come all the same
	codec  uint8          // payload type: PCMU or PCMA
	events uint8          // payload type of telephone events, 0 if it sends none
	packet int            // samples that it wants in one packet
	held   bool           // it wants no audio now
}

// readAnswer reads a description (RFC 4566, RFC 3264).
func readAnswer(body []byte) (a answer, err error) {
	d, at, err := readAudio(body)
	if err != nil {
		return a, err
	}
	return answerOf(d, d.MediaDescriptions[at])
}

// readAudio finds the line of audio in a description.
func readAudio(body []byte) (d *sdp.SessionDescription, at int, err error) {
	d = &sdp.SessionDescription{}
	if err := d.Unmarshal(body); err != nil {
		return nil, 0, fmt.Errorf("the other side's description cannot be read: %w", err)
	}
	at = slices.IndexFunc(d.MediaDescriptions, func(m *sdp.MediaDescription) bool {
		return m.MediaName.Media == "audio" && m.MediaName.Port.Value > 0 && strings.Join(m.MediaName.Protos, "/") == "RTP/AVP"
	})
	if at < 0 {
		return nil, 0, errors.New("the other side takes no audio over RTP")
	}
	return d, at, nil
}

func answerOf(d *sdp.SessionDescription, m *sdp.MediaDescription) (a answer, err error) {
	known := slices.IndexFunc(m.MediaName.Formats, func(f string) bool { return f == "0" || f == "8" })
	if known < 0 {
		return a, errCodec
	}
	if m.MediaName.Formats[known] == "8" {
		a.codec = typePCMA
	}
	a.events, a.packet = eventType(m), packetOf(m)
	c := m.ConnectionInformation
	if c == nil {
		c = d.ConnectionInformation
	}
	if c == nil || c.Address == nil || m.MediaName.Port.Value > 65535 {
		return a, errors.New("the other side does not say where it wants audio")
	}
	addr, err := netip.ParseAddr(c.Address.Address)
	if err != nil || addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return a, errors.New("the other side's address of audio is not the IP address of one host")
	}
	a.remote = netip.AddrPortFrom(addr.Unmap(), uint16(m.MediaName.Port.Value))
	way := direction(d, m)
	a.held = way == "sendonly" || way == "inactive" || addr.IsUnspecified() // the last is how RFC 2543 had it
	return a, nil
}

// direction is which way the audio of a line goes, as the other side sees it.
func direction(d *sdp.SessionDescription, m *sdp.MediaDescription) string {
	for _, attributes := range [][]sdp.Attribute{m.Attributes, d.Attributes} {
		for _, a := range attributes {
			switch a.Key {
			case "sendrecv", "sendonly", "recvonly", "inactive":
				return a.Key
			}
		}
	}
	return "sendrecv"
}

// packetOf is how many samples a packet has: of 10 to 60 ms, as the other side asks.
func packetOf(m *sdp.MediaDescription) int {
	text, _ := m.Attribute("ptime")
	ms, err := strconv.Atoi(text)
	if err != nil || ms < 10 || ms > 60 || ms%10 != 0 {
		ms = 20
	}
	return ms * Rate / 1000
}

// eventType finds the payload type of telephone events (RFC 4733).
func eventType(m *sdp.MediaDescription) uint8 {
	for _, attr := range m.Attributes {
		number, codec, _ := strings.Cut(attr.Value, " ")
		if attr.Key != "rtpmap" || !strings.HasPrefix(strings.ToLower(codec), "telephone-event/8000") {
			continue
		}
		if n, err := strconv.ParseUint(number, 10, 7); err == nil && slices.Contains(m.MediaName.Formats, number) {
			return uint8(n)
		}
	}
	return 0
}
