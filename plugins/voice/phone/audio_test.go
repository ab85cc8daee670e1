package phone

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// The vectors of Python's audioop.
func TestCompanding(t *testing.T) {
	for sample, want := range map[int16][2]byte{
		0: {0xff, 0xd5}, 100: {0xf2, 0xd3}, -100: {0x72, 0x53}, 1000: {0xce, 0xfa}, -1000: {0x4e, 0x7a},
		8031: {0xa0, 0x8a}, 32767: {0x80, 0xaa}, -32768: {0x00, 0x2a},
	} {
		if got := [2]byte{muLaw(sample), aLaw(sample)}; got != want {
			t.Errorf("%d: got %x, want %x", sample, got, want)
		}
	}
}

// wav makes a WAV file of a tone.
func wav(rate, channels, bits int, seconds, hertz float64) []byte {
	var data bytes.Buffer
	for i := range int(seconds * float64(rate)) {
		v := math.Sin(2 * math.Pi * hertz * float64(i) / float64(rate))
		for range channels {
			if bits == 8 {
				data.WriteByte(byte(128 + 100*v))
			} else {
				_ = binary.Write(&data, binary.LittleEndian, int16(20000*v))
			}
		}
	}
	var b bytes.Buffer
	b.WriteString("RIFF\x00\x00\x00\x00WAVELIST\x03\x00\x00\x00abc\x00fmt ")
	for _, v := range []any{uint32(16), uint16(1), uint16(channels), uint32(rate), uint32(rate * channels * bits / 8),
		uint16(channels * bits / 8), uint16(bits)} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, uint32(data.Len()))
	return append(b.Bytes(), data.Bytes()...)
}

// pitch counts how often a tone goes through zero upwards in a second.
func pitch(samples []int16) float64 {
	n := 0
	for i := 1; i < len(samples); i++ {
		if samples[i-1] < 0 && samples[i] >= 0 {
			n++
		}
	}
	return float64(n) / float64(len(samples)) * Rate
}

func TestReadWAV(t *testing.T) {
	for _, rate := range []int{8000, 11025, 16000, 22050, 44100, 48000, 96000, 4000} {
		for _, form := range [][2]int{{1, 16}, {2, 16}, {1, 8}} {
			got, err := ReadWAV(bytes.NewReader(wav(rate, form[0], form[1], 1, 440)))
			if err != nil {
				t.Fatal(err)
			}
			loud := slices.Max(got)
			if p := pitch(got); len(got) < 7990 || len(got) > 8000 || p < 435 || p > 445 || loud < 15000 {
				t.Errorf("%d Hz, %v: %d samples, %.0f Hz, at most %d", rate, form, len(got), p, loud)
			}
		}
	}
	// What no telephone can carry does not come back as another tone.
	got, err := ReadWAV(bytes.NewReader(wav(48000, 1, 16, 1, 7000)))
	if err != nil {
		t.Fatal(err)
	}
	if loud := slices.Max(got[100 : len(got)-100]); loud > 1000 {
		t.Errorf("7 kHz is heard at 8 kHz, at %d", loud)
	}
}

func TestBadWAV(t *testing.T) {
	good := wav(8000, 1, 16, 0.1, 440)
	for i := range good[:60] { // cut anywhere in the head
		if _, err := ReadWAV(bytes.NewReader(good[:i])); err == nil && i < 56 {
			t.Errorf("the first %d bytes are taken", i)
		}
	}
	for name, change := range map[string]func(b []byte){
		"not RIFF": func(b []byte) { b[0] = 'X' }, "a codec": func(b []byte) { b[32] = 6 },
		"no channels": func(b []byte) { b[34] = 0 }, "24 bits": func(b []byte) { b[46] = 24 },
		"rate of nothing": func(b []byte) { copy(b[36:], []byte{0, 0, 0, 0}) },
		"huge chunk":      func(b []byte) { copy(b[16:], []byte{0xff, 0xff, 0xff, 0xff}) },
	} {
		b := slices.Clone(good)
		change(b)
		if _, err := ReadWAV(bytes.NewReader(b)); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
	endless := io.MultiReader(bytes.NewReader(append(good[:52:52], 0xff, 0xff, 0xff, 0xff)), zeros{})
	if _, err := ReadWAV(endless); !errors.Is(err, errTooLong) {
		t.Errorf("endless: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func FuzzReadWAV(f *testing.F) {
	f.Add(wav(8000, 1, 16, 0.01, 440))
	f.Add(wav(44100, 2, 8, 0.01, 440))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = ReadWAV(bytes.NewReader(b)) })
}

func TestSpeak(t *testing.T) {
	if _, err := exec.LookPath(speaker); err != nil {
		t.Skip("not run: espeak-ng is not installed")
	}
	for _, lang := range []string{"de-CH", "en-GB", "xx-nonsense", "", "-v"} {
		got, err := Speak(t.Context(), "--help $(id) Your order is ready.", lang)
		if err != nil || len(got) < Rate || slices.Max(got) < 3000 {
			t.Errorf("%q: %d samples, %v", lang, len(got), err)
		}
	}
}

func TestOfferAndAnswer(t *testing.T) {
	b := newMedia(netip.MustParseAddrPort("192.0.2.1:4000")).offer()
	a, err := readAnswer(b)
	if err != nil || a.remote.String() != "192.0.2.1:4000" || a.codec != typePCMU || a.events != typeEvents {
		t.Errorf("our own offer: %+v, %v\n%s", a, err, b)
	}
	const head = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
	tests := map[string]struct {
		body string
		want answer
		ok   bool
	}{
		"a-law and events": {head + "m=audio 9000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000\r\n",
			answer{netip.MustParseAddrPort("192.0.2.9:9000"), typePCMA, 96, 160, false}, true},
		"its own address": {head + "m=audio 9000 RTP/AVP 18 0\r\nc=IN IP4 192.0.2.10\r\n",
			answer{netip.MustParseAddrPort("192.0.2.10:9000"), typePCMU, 0, 160, false}, true},
		"events that are not in its list": {head + "m=audio 9000 RTP/AVP 0\r\na=rtpmap:96 telephone-event/8000\r\n",
			answer{netip.MustParseAddrPort("192.0.2.9:9000"), typePCMU, 0, 160, false}, true},
		"no codec of ours": {head + "m=audio 9000 RTP/AVP 18\r\n", answer{}, false},
		"encrypted":        {head + "m=audio 9000 RTP/SAVP 0\r\n", answer{}, false},
		"refused":          {head + "m=audio 0 RTP/AVP 0\r\n", answer{}, false},
		"a name":           {strings.ReplaceAll(head, "192.0.2.9", "example.com") + "m=audio 9000 RTP/AVP 0\r\n", answer{}, false},
		"nothing":          {"", answer{}, false},
	}
	for name, tt := range tests {
		got, err := readAnswer([]byte(tt.body))
		if (err == nil) != tt.ok || tt.ok && got != tt.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add(newMedia(netip.MustParseAddrPort("192.0.2.1:4000")).offer())
	f.Add([]byte("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\na=sendonly\r\nm=video 9 RTP/AVP 99\r\nm=audio 9 RTP/AVP 8 96\r\na=ptime:30\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := readAnswer(b)
		if err == nil && (!a.remote.IsValid() || a.packet < Rate/100) {
			t.Errorf("no address, or no audio: %+v", a)
		}
		ours, _, failed := newMedia(netip.MustParseAddrPort("192.0.2.1:4000")).answer(b)
		if (failed == nil) != (err == nil) {
			t.Fatalf("as an answer: %v; as an offer: %v", err, failed)
		}
		if err != nil {
			return
		}
		theirs, _, _ := readAudio(b)
		if said, at, err := readAudio(ours); err != nil || len(said.MediaDescriptions) != len(theirs.MediaDescriptions) || said.MediaDescriptions[at].MediaName.Port.Value != 4000 {
			t.Errorf("we answer %q, %v", ours, err)
		}
	})
}

func TestKeys(t *testing.T) {
	var k keypad
	var got []byte
	for _, p := range []struct {
		at    uint32
		event byte
	}{{100, 5}, {100, 5}, {100, 5}, {900, 11}, {900, 11}, {1700, 5}, {2500, 16}, {3300, 15}} {
		if key, ok := k.press(1, p.at, []byte{p.event, 0x80, 0, 160}); ok {
			got = append(got, key)
		}
	}
	if string(got) != "5#5D" {
		t.Errorf("events: %q", got)
	}
	for body, want := range map[string]string{
		"Signal=5\r\nDuration=160": "5", "signal = #\r\n": "#", "7": "7", "*\r\n": "*", "a": "A", "": "", "55": "", "Signal=\r\n": "", "é": "",
	} {
		key, ok := infoKey([]byte(body))
		if got := strings.Trim(string(key), "\x00"); got != want || ok != (want != "") {
			t.Errorf("INFO %q: %q", body, got)
		}
	}
}

// What a filter is made of costs much more than what it is used for: one for each
// sample would make a call wait for half a minute.
func TestResampleIsFast(t *testing.T) {
	began := time.Now()
	for i := range Rate / 2 {
		newFilter(44100, i)
	}
	each := time.Since(began)
	began = time.Now()
	if out := resample(make([]int16, 5*44100), 44100); len(out) != 5*Rate {
		t.Errorf("%d samples", len(out))
	}
	if took := time.Since(began); took > 5*each {
		t.Errorf("five seconds took %v; with a filter for each sample, %v", took, 10*each)
	}
}
