package inspect_test

import (
	"hash/crc32"
	"strings"
)

func pngOf(w, h int64) string {
	head := "IHDR" + be32(w) + be32(h) + "\x08\x06\x00\x00\x00"
	return "\x89PNG\r\n\x1a\n" + be32(13) + head + be32(int64(crc32.ChecksumIEEE([]byte(head)))) +
		be32(0) + "IEND" + be32(int64(crc32.ChecksumIEEE([]byte("IEND"))))
}

func jpegOf(w, h int64) string {
	frame := "\x08" + be16(h) + be16(w) + "\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01"
	return "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xc0" + be16(int64(len(frame)+2)) + frame + "\xff\xd9"
}

func gifOf(w, h int64) string { return "GIF89a" + le16(w) + le16(h) + "\x00\x00\x00;" }

func webpOf(w, h int64) string {
	size := func(n int64) string { return le32(n - 1)[:3] }
	return "RIFF" + le32(22) + "WEBPVP8X" + le32(10) + "\x00\x00\x00\x00" + size(w) + size(h)
}

func bmpOf(w, h int64) string {
	return "BM" + le32(54) + "\x00\x00\x00\x00" + le32(54) + le32(40) + le32(w) + le32(h) + strings.Repeat("\x00", 28)
}

func heicOf(w, h int64) string {
	return "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + be32(20) + "ispe\x00\x00\x00\x00" + be32(w) + be32(h)
}

func tiffOf(w, h int64) string {
	return "II*\x00" + le32(8) + le16(2) + le16(256) + le16(4) + le32(1) + le32(w) + le16(257) + le16(4) + le32(1) + le32(h) + le32(0)
}

func gzipOf(size int64) string {
	return "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\x04\x00" + le32(0) + le32(size)
}

// entry is a file of a zip, as its directory tells it.
type entry struct {
	name             string
	packed, unpacked int64
}

func many(n int, e entry) []entry {
	all := make([]entry, n)
	for i := range all {
		all[i] = e
	}
	return all
}

func header(e entry) string {
	return le16(20) + le16(0) + le16(8) + le32(0) + le32(0) + le32(e.packed) + le32(e.unpacked) + le16(int64(len(e.name)))
}

func zipOf(entries ...entry) string {
	var files, directory strings.Builder
	for _, e := range entries {
		at := int64(files.Len())
		files.WriteString("PK\x03\x04" + header(e) + le16(0) + e.name)
		if e.packed <= 1000 {
			files.WriteString(strings.Repeat("x", int(e.packed)))
		}
		directory.WriteString("PK\x01\x02" + le16(20) + header(e) + le16(0) + le16(0) + le16(0) + le16(0) + le32(0) + le32(at) + e.name)
	}
	n := int64(len(entries))
	return files.String() + directory.String() + "PK\x05\x06" + le16(0) + le16(0) + le16(n) + le16(n) +
		le32(int64(directory.Len())) + le32(int64(files.Len())) + le16(0)
}

// zip64Of is a zip whose entries are too large for its ordinary fields.
func zip64Of(unpacked ...uint64) string {
	files := "PK\x03\x04" + header(entry{"a", 1, 1}) + le16(0) + "ax"
	var directory strings.Builder
	for _, u := range unpacked {
		directory.WriteString("PK\x01\x02" + le16(45) + header(entry{"a", 1, 1<<32 - 1}) + le16(12) + le16(0) + le16(0) + le16(0) + le32(0) + le32(0) + "a" +
			le16(1) + le16(8) + le64(u))
	}
	n, at := uint64(len(unpacked)), uint64(len(files)+directory.Len())
	record := "PK\x06\x06" + le64(44) + le16(45) + le16(45) + le32(0) + le32(0) + le64(n) + le64(n) + le64(uint64(directory.Len())) + le64(uint64(len(files)))
	locator := "PK\x06\x07" + le32(0) + le64(at) + le32(1)
	end := "PK\x05\x06" + le16(0) + le16(0) + le16(0xffff) + le16(0xffff) + le32(1<<32-1) + le32(1<<32-1) + le16(0)
	return files + directory.String() + record + locator + end
}

// moreEntries says two entries where there is one.
func moreEntries(zip string) string {
	at := strings.LastIndex(zip, "PK\x05\x06")
	return zip[:at+8] + le16(2) + le16(2) + zip[at+12:]
}
