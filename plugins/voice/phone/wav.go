package phone

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// Rate is how many samples a second of a call has.
const Rate = 8000

// MaxAudio is how long what a call plays may be.
const MaxAudio = 10 * time.Minute

// Errors of audio.
var (
	errNoWAV    = errors.New("this is no WAV file")
	errTooLong  = fmt.Errorf("the audio is longer than %v", MaxAudio)
	errNoFormat = errors.New("the WAV file is not PCM of 8 or 16 bits")
)

// wavFormat is the chunk "fmt " of a WAV file.
type wavFormat struct {
	Format, Channels uint16
	Rate             uint32
	BytesPerSecond   uint32
	Block, Bits      uint16
}

// ReadWAV returns the samples of a WAV file (RIFF, PCM of 8 or 16 bits, any number
// of channels from 4 to 96 kHz) as those of a telephone: one channel at [Rate].
func ReadWAV(r io.Reader) ([]int16, error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:4]) != "RIFF" || string(head[8:]) != "WAVE" {
		return nil, errNoWAV
	}
	var format wavFormat
	for {
		var chunk [8]byte
		if _, err := io.ReadFull(r, chunk[:]); err != nil {
			return nil, errNoWAV
		}
		size := int64(binary.LittleEndian.Uint32(chunk[4:]))
		switch string(chunk[:4]) {
		case "fmt ":
			if err := format.read(r, size); err != nil {
				return nil, err
			}
		case "data":
			if format.Rate == 0 {
				return nil, errNoWAV
			}
			return format.samples(io.LimitReader(r, size)) // who writes to a pipe gives a size that is too large
		default:
			if _, err := io.CopyN(io.Discard, r, size+size&1); err != nil {
				return nil, errNoWAV
			}
		}
	}
}

func (f *wavFormat) read(r io.Reader, size int64) error {
	if size < 16 || size > 1<<10 {
		return errNoWAV
	}
	b := make([]byte, size+size&1)
	if _, err := io.ReadFull(r, b); err != nil {
		return errNoWAV
	}
	if _, err := binary.Decode(b, binary.LittleEndian, f); err != nil {
		return errNoWAV
	}
	if f.Format == 0xfffe && size >= 26 { // extensible: the format is the beginning of a GUID
		f.Format = binary.LittleEndian.Uint16(b[24:])
	}
	switch {
	case f.Format != 1 || f.Bits != 8 && f.Bits != 16:
		return errNoFormat
	case f.Channels == 0 || f.Channels > 8 || f.Rate < 4000 || f.Rate > 96_000:
		return errNoFormat
	}
	return nil
}

// samples reads and mixes all channels and changes the rate.
func (f *wavFormat) samples(r io.Reader) ([]int16, error) {
	width := int(f.Bits / 8)
	frame := width * int(f.Channels)
	most := int(MaxAudio.Seconds()) * int(f.Rate) * frame
	b, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(b) > most {
		return nil, errTooLong
	}
	mono := make([]int16, len(b)/frame)
	for i := range mono {
		sum := 0
		for c := range int(f.Channels) {
			at := i*frame + c*width
			if width == 1 {
				sum += (int(b[at]) - 128) << 8
			} else {
				sum += int(int16(binary.LittleEndian.Uint16(b[at:])))
			}
		}
		mono[i] = int16(sum / int(f.Channels))
	}
	return resample(mono, int(f.Rate)), nil
}

// taps is how many samples on each side make one of another rate.
const taps = 16

// resample changes the rate to [Rate]: a low pass, a windowed sinc, keeps what is
// above half of the lower rate out.
func resample(in []int16, from int) []int16 {
	if from == Rate || len(in) == 0 {
		return in
	}
	phases := Rate / gcd(from, Rate) // where samples of the two rates can lie to each other
	var filters []filter
	out := make([]int16, len(in)*Rate/from)
	for i := range out {
		if i < phases {
			filters = append(filters, newFilter(from, i))
		}
		f := &filters[i%phases]
		first := i/phases*(from*phases/Rate) + f.first
		var sum, weight float64
		for n, w := range f.weights {
			if at := first + n; at >= 0 && at < len(in) {
				sum += w * float64(in[at])
				weight += w
			}
		}
		out[i] = int16(max(min(sum/weight, math.MaxInt16), math.MinInt16))
	}
	return out
}

// filter makes one sample of those around it.
type filter struct {
	first   int // the first of them
	weights []float64
}

// newFilter is the filter of the sample i at [Rate] among samples at another rate.
func newFilter(from, i int) filter {
	step := float64(from) / Rate
	cutoff := min(1, 1/step)
	width := taps / cutoff
	center := float64(i) * step
	f := filter{first: int(math.Ceil(center - width))}
	for n := f.first; n <= int(center+width); n++ {
		x := float64(n) - center
		f.weights = append(f.weights, sinc(x*cutoff)*(0.5+0.5*math.Cos(math.Pi*x/width)))
	}
	return f
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}
