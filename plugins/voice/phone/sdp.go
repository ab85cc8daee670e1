package phone

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// Payload types of RTP (RFC 3551); that of telephone events is ours to choose.
const (
	typePCMU   = 0
	typePCMA   = 8
	typeEvents = 101
)

var errCodec = errors.New("the other side offers neither PCMU nor PCMA")

// offer is the description of our side of a call.
func offer(local netip.AddrPort, id uint64) ([]byte, error) {
	family := "IP4"
	if local.Addr().Is6() {
		family = "IP6"
	}
	d := sdp.SessionDescription{
		Origin:                sdp.Origin{Username: "-", SessionID: id, SessionVersion: id, NetworkType: "IN", AddressType: family, UnicastAddress: local.Addr().String()},
		SessionName:           "-",
		ConnectionInformation: &sdp.ConnectionInformation{NetworkType: "IN", AddressType: family, Address: &sdp.Address{Address: local.Addr().String()}},
		TimeDescriptions:      []sdp.TimeDescription{{}},
		MediaDescriptions: []*sdp.MediaDescription{{
			MediaName: sdp.MediaName{
				Media: "audio", Port: sdp.RangedPort{Value: int(local.Port())}, Protos: []string{"RTP", "AVP"},
				Formats: []string{"0", "8", "101"},
			},
			Attributes: []sdp.Attribute{
				{Key: "rtpmap", Value: "0 PCMU/8000"}, {Key: "rtpmap", Value: "8 PCMA/8000"},
				{Key: "rtpmap", Value: "101 telephone-event/8000"}, {Key: "fmtp", Value: "101 0-15"},
				{Key: "ptime", Value: "20"}, {Key: "sendrecv"},
			},
		}},
	}
	return d.Marshal()
}

// answer is what the other side says of the media.
type answer struct {
	remote netip.AddrPort // where it wants audio; from other addresses it may come all the same
	codec  uint8          // payload type: PCMU or PCMA
	events uint8          // payload type of telephone events, 0 if it sends none
}

// readAnswer reads a description (RFC 4566, RFC 3264).
func readAnswer(body []byte) (a answer, err error) {
	var d sdp.SessionDescription
	if err := d.Unmarshal(body); err != nil {
		return a, fmt.Errorf("the other side's description cannot be read: %w", err)
	}
	at := slices.IndexFunc(d.MediaDescriptions, func(m *sdp.MediaDescription) bool {
		return m.MediaName.Media == "audio" && m.MediaName.Port.Value > 0 && strings.Join(m.MediaName.Protos, "/") == "RTP/AVP"
	})
	if at < 0 {
		return a, errors.New("the other side takes no audio over RTP")
	}
	m := d.MediaDescriptions[at]
	known := slices.IndexFunc(m.MediaName.Formats, func(f string) bool { return f == "0" || f == "8" })
	if known < 0 {
		return a, errCodec
	}
	if m.MediaName.Formats[known] == "8" {
		a.codec = typePCMA
	}
	a.events = eventType(m)
	c := m.ConnectionInformation
	if c == nil {
		c = d.ConnectionInformation
	}
	if c == nil || c.Address == nil || m.MediaName.Port.Value > 65535 {
		return a, errors.New("the other side does not say where it wants audio")
	}
	addr, err := netip.ParseAddr(c.Address.Address)
	if err != nil {
		return a, errors.New("the other side's address of audio is no IP address")
	}
	a.remote = netip.AddrPortFrom(addr, uint16(m.MediaName.Port.Value))
	return a, nil
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
