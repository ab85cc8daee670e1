package inspect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
)

// checkPicture refuses pictures that need far more memory than they have bytes.
// It reads the sizes that a picture's head gives; a picture whose head cannot be
// read is none.
func checkPicture(r io.ReaderAt, size int64, head []byte, mime string, most int64) error {
	var c image.Config
	var err error
	switch body := io.NewSectionReader(r, 0, size); mime {
	case "image/png", "image/apng":
		c, err = png.DecodeConfig(body)
	case "image/gif":
		c, err = gif.DecodeConfig(body)
	case "image/jpeg":
		c, err = jpeg.DecodeConfig(body)
	case "image/webp":
		c, err = webp(head)
	case "image/bmp":
		c, err = bmp(head)
	case "image/heic", "image/heif", "image/avif", "image/heic-sequence", "image/heif-sequence":
		c = heif(head)
	case "image/tiff":
		c, err = tiff(r, size)
	case "image/vnd.adobe.photoshop":
		c, err = psd(head)
	}
	if _, odd := errors.AsType[jpeg.UnsupportedError](err); odd {
		return nil // a kind that only the decoder lacks
	}
	if err != nil {
		return refused("the picture's head cannot be read")
	}
	if w, h := int64(c.Width), int64(c.Height); w > 1<<20 || h > 1<<20 || w*h > most {
		return refused("the picture is %d by %d pixels, at most %d are taken", w, h, most)
	}
	return nil
}

var errHead = errors.New("the head ends early")

func webp(head []byte) (c image.Config, err error) {
	if len(head) < 30 {
		return c, errHead
	}
	b := head[12:]
	switch string(b[:4]) {
	case "VP8X":
		c.Width, c.Height = 1+int(uint24(b[12:])), 1+int(uint24(b[15:]))
	case "VP8 ":
		c.Width, c.Height = int(binary.LittleEndian.Uint16(b[14:])&0x3fff), int(binary.LittleEndian.Uint16(b[16:])&0x3fff)
	case "VP8L":
		bits := binary.LittleEndian.Uint32(b[9:])
		c.Width, c.Height = 1+int(bits&0x3fff), 1+int(bits>>14&0x3fff)
	default:
		return c, errHead
	}
	return c, nil
}

func uint24(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }

func bmp(head []byte) (c image.Config, err error) {
	if len(head) < 26 {
		return c, errHead
	}
	c.Width, c.Height = magnitude(head[18:]), magnitude(head[22:])
	if head[14] == 12 { // the oldest kind
		c.Width, c.Height = int(binary.LittleEndian.Uint16(head[18:])), int(binary.LittleEndian.Uint16(head[20:]))
	}
	return c, nil
}

// magnitude is a signed number without its sign: a height may be from the bottom.
func magnitude(b []byte) int {
	n := int(int32(binary.LittleEndian.Uint32(b)))
	return max(n, -n)
}

// heif looks for the largest of the sizes that the head gives. A head without one
// says nothing.
func heif(head []byte) (c image.Config) {
	for b := head; ; {
		_, rest, ok := bytes.Cut(b, []byte("ispe"))
		if !ok || len(rest) < 12 {
			return c
		}
		w, h := int(binary.BigEndian.Uint32(rest[4:])), int(binary.BigEndian.Uint32(rest[8:]))
		c.Width, c.Height = max(c.Width, w), max(c.Height, h)
		b = rest
	}
}

func psd(head []byte) (c image.Config, err error) {
	if len(head) < 22 {
		return c, errHead
	}
	c.Height, c.Width = int(binary.BigEndian.Uint32(head[14:])), int(binary.BigEndian.Uint32(head[18:]))
	return c, nil
}

// tiff reads the first directory.
func tiff(r io.ReaderAt, size int64) (c image.Config, err error) {
	var head [8]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return c, errHead
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[0] == 'M' {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(head[4:]))
	var count [2]byte
	if at+2 > size {
		return c, errHead
	}
	if _, err := r.ReadAt(count[:], at); err != nil {
		return c, errHead
	}
	entries := make([]byte, min(12*int64(order.Uint16(count[:])), size-at-2))
	if _, err := r.ReadAt(entries, at+2); err != nil && !errors.Is(err, io.EOF) {
		return c, errHead
	}
	for e := entries; len(e) >= 12; e = e[12:] {
		n := int(order.Uint32(e[8:]))
		if order.Uint16(e[2:]) == 3 { // a short stands in the first half
			n = int(order.Uint16(e[8:]))
		}
		switch order.Uint16(e) {
		case 256:
			c.Width = n
		case 257:
			c.Height = n
		}
	}
	return c, nil
}
