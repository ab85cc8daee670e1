package phone

// Companding of ITU-T G.711: samples of 16 bits in 8, and back is not needed.
const (
	muBias = 0x84
	muClip = 32635
)

// muLaw encodes one sample.
func muLaw(sample int16) byte {
	s := int32(sample)
	sign := byte(0)
	if s < 0 {
		s, sign = -s, 0x80
	}
	s = min(s, muClip) + muBias
	exponent := byte(7)
	for mask := int32(0x4000); exponent > 0 && s&mask == 0; mask >>= 1 {
		exponent--
	}
	mantissa := byte(s>>(exponent+3)) & 0x0f
	return ^(sign | exponent<<4 | mantissa)
}

// aLaw encodes one sample.
func aLaw(sample int16) byte {
	s := int32(sample) >> 3
	mask := byte(0xd5)
	if s < 0 {
		s, mask = -s-1, 0x55
	}
	exponent := byte(0)
	for top := int32(0x1f); exponent < 7 && s > top; top = top<<1 | 1 {
		exponent++
	}
	var code byte
	if exponent < 2 {
		code = exponent<<4 | byte(s>>1)&0x0f
	} else {
		code = exponent<<4 | byte(s>>exponent)&0x0f
	}
	return code ^ mask
}
