package inspect_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/media/inspect"
)

// vector is a file as somebody sends it, and what becomes of it: a type and a
// name, or a refusal that says a word.
type vector struct {
	what, declared, name string
	data                 string
	mime, kept           string
	refused              string
}

var taken = []vector{
	{"a png", "image/png", "a.png", pngOf(20, 10), "image/png", "a.png", ""},
	{"a png that says nothing", "", "", pngOf(20, 10), "image/png", "file.png", ""},
	{"a png said to be a jpeg", "image/jpeg", "a.jpg", pngOf(2, 2), "image/png", "a.jpg", ""},
	{"a png said to be a page", "text/html", "a.html", pngOf(2, 2), "image/png", "a.png", ""},
	{"a png said to be a program", "application/x-msdownload", "a.exe", pngOf(2, 2), "image/png", "a.png", ""},
	{"a png with two extensions", "image/png", "a.png.exe", pngOf(2, 2), "image/png", "a.png.png", ""},
	{"a jpeg", "image/jpeg; name=x", "holiday.JPG", jpegOf(20, 10), "image/jpeg", "holiday.jpg", ""},
	{"a jpeg of a large phone", "image/jpeg", "a.jpg", jpegOf(16320, 12240), "image/jpeg", "a.jpg", ""},
	{"a gif", "image/gif", "a.gif", gifOf(3, 3), "image/gif", "a.gif", ""},
	{"a webp", "image/webp", "a.webp", webpOf(640, 480), "image/webp", "a.webp", ""},
	{"a bmp", "image/bmp", "a.bmp", bmpOf(64, -48), "image/bmp", "a.bmp", ""},
	{"a heic", "image/heic", "a.heic", heicOf(4032, 3024), "image/heic", "a.heic", ""},
	{"a tiff", "image/tiff", "a.tiff", tiffOf(640, 480), "image/tiff", "a.tiff", ""},
	{"a pdf", "application/pdf", "bill.pdf", "%PDF-1.7\n%\xe2\xe3\n1 0 obj", "application/pdf", "bill.pdf", ""},
	{"a pdf said to be a picture", "image/png", "bill.png", "%PDF-1.7\n%\xe2\xe3\n1 0 obj", "application/pdf", "bill.pdf", ""},
	{"a text", "text/plain; charset=utf-8", "note.txt", "Grüezi\n", "text/plain", "note.txt", ""},
	{"a text that says nothing", "", "", "hello", "text/plain", "file.txt", ""},
	{"a text said to be a picture", "image/png", "a.png", "hello there", "text/plain", "a.txt", ""},
	{"a text said to be unknown", "application/octet-stream", "a", "hello there", "text/plain", "a.txt", ""},
	{"a list", "text/csv", "a.csv", "a;b\n1;2\n", "text/csv", "a.csv", ""},
	{"a card", "text/vcard", "a.vcf", "BEGIN:VCARD\nVERSION:3.0\nEND:VCARD\n", "text/vcard", "a.vcf", ""},
	{"an appointment", "text/calendar", "a.ics", "BEGIN:VCALENDAR\nVERSION:2.0\nEND:VCALENDAR\n", "text/calendar", "a.ics", ""},
	{"json", "application/json", "a.json", `{"a":[1,2,3]}`, "application/json", "a.json", ""},
	{"an mp3", "audio/mpeg", "a.mp3", "ID3\x03\x00\x00\x00\x00\x00\x00", "audio/mpeg", "a.mp3", ""},
	{"a voice message", "audio/ogg", "a.ogg", "OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04\x00\x00\x00\x00\xaa\xbb\xcc\xdd\x01\x13OpusHead", "audio/ogg", "a.ogg", ""},
	{"amr", "audio/amr", "a.amr", "#!AMR\n\x3c\x00\x00", "audio/amr", "a.amr", ""},
	{"silk", "audio/amr", "a.amr", "\x02#!SILK_V3\x00\x00", "audio/silk", "a.amr", ""},
	{"an mp4", "video/mp4", "a.mp4", "\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp41", "video/mp4", "a.mp4", ""},
	{"sound in an mp4", "audio/mp4", "a.m4a", "\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp41", "audio/mp4", "a.m4a", ""},
	{"a zip", "application/zip", "a.zip", zipOf(entry{"a.txt", 100, 100}), "application/zip", "a.zip", ""},
	{"an empty zip", "application/zip", "a.zip", zipOf(), "application/zip", "a.zip", ""},
	{"a gzip", "application/gzip", "a.gz", gzipOf(1000), "application/gzip", "a.gz", ""},
	{"what nobody knows", "", "a.dat", "\x00\x01\x02\x03\x04", "application/octet-stream", "a.dat", ""},
	{"a format that the detector does not know", "audio/x-rare", "a.rare", "\x00\x01\x02\x03", "audio/x-rare", "a.rare", ""},
	{"an unknown file said to be a picture", "image/png", "a.png", "\x00\x01\x02\x03", "application/octet-stream", "a", ""},
	{"an unknown file with a broken type", "image/", "a", "\x00\x01\x02\x03", "application/octet-stream", "a", ""},
	{"nothing at all", "image/png", "a.png", "", "text/plain", "a.txt", ""},

	{"a name with folders", "", "../../../etc/x.png", pngOf(2, 2), "image/png", "x.png", ""},
	{"a name of Windows", "", `..\..\x.png`, pngOf(2, 2), "image/png", "x.png", ""},
	{"a name with NUL", "", "x.png\x00.exe", pngOf(2, 2), "image/png", "x.png.png", ""},
	{"a name that turns around", "", "photo_\u202egnp.exe", pngOf(2, 2), "image/png", "photo_gnp.png", ""},
	{"a name that breaks lines", "", "x\r\nSet-Cookie: a.png", pngOf(2, 2), "image/png", "xSet-Cookie a.png", ""},
	{"a long name", "", strings.Repeat("x", 5000) + ".png", pngOf(2, 2), "image/png", strings.Repeat("x", 96) + ".png", ""},
	{"a name of dots", "", "....", pngOf(2, 2), "image/png", "file.png", ""},
	{"a hidden name", "", ".ssh", pngOf(2, 2), "image/png", "ssh.png", ""},
	{"a name that is none", "", "\xff\xfe\xfd", pngOf(2, 2), "image/png", "file.png", ""},
}

const elf, machine = "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00", "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00"

var refusals = []vector{
	{"a page", "text/html", "a.html", "<!DOCTYPE html><html><script>alert(1)</script>", "", "", "text/html"},
	{"a page said to be a picture", "image/png", "a.png", "<html><body>x</body></html>", "", "", "text/html"},
	{"a page said to be text", "text/plain", "a.txt", "hello\n\n<script>alert(1)</script>", "", "", "text/html"},
	{"a page after blanks", "text/plain", "a.txt", strings.Repeat(" \n", 500) + "<html>", "", "", "text/html"},
	{"a page in capitals", "image/jpeg", "a.jpg", "<HTML><SCRIPT>", "", "", "text/html"},
	{"a page after a mark", "image/jpeg", "a.jpg", "\xef\xbb\xbf<html>", "", "", "text/html"},
	{"a page in UTF-16", "text/plain", "a.txt", "\xff\xfe<\x00h\x00t\x00m\x00l\x00>\x00", "", "", "text/html"},
	{"a page in UTF-16, the other order", "text/plain", "a.txt", "\xfe\xff\x00<\x00h\x00t\x00m\x00l\x00>", "", "", "text/html"},
	{"a frame", "text/plain", "a.txt", "see <iframe src=//x>", "", "", "text/html"},
	{"a page that looks like a gif to some", "image/gif", "a.gif", "GIF<script>alert(1)</script>", "", "", "text/html"},
	{"a page by its name", "text/plain", "a.html", "hello", "", "", ".html"},
	{"a page in XML", "application/xhtml+xml", "a.xhtml", `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">`, "", "", "text/html"},
	{"a drawing", "image/svg+xml", "a.svg", `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`, "", "", "can do harm"},
	{"a drawing without a script", "image/svg+xml", "a.svg", `<svg xmlns="http://www.w3.org/2000/svg"/>`, "", "", "image/svg+xml"},
	{"a drawing said to be a png", "image/png", "a.png", `<?xml version="1.0"?><!-- x --><svg onload="alert(1)"/>`, "", "", "image/svg+xml"},
	{"a drawing with an entity", "image/png", "a.png", `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>`, "", "", "image/svg+xml"},
	{"a drawing by its name", "text/plain", "a.svg", "hello", "", "", ".svg"},
	{"XML", "text/xml", "a.xml", `<?xml version="1.0"?><?xml-stylesheet href="x.xsl"?><a/>`, "", "", "text/xml"},
	{"XML by its type", "application/rdf+xml", "a.rdf", "\x00\x01", "", "", "can do harm"},
	{"a script of the web", "application/javascript", "a.js", "alert(1)", "", "", "can do harm"},
	{"a script by its type", "text/javascript", "a", "alert(1)", "", "", "text/javascript"},
	{"a program of Windows", "application/octet-stream", "a.exe", machine, "", "", "portable-executable"},
	{"a program said to be a picture", "image/png", "a.png", machine, "", "", "portable-executable"},
	{"a program said to be a document", "application/pdf", "bill.pdf", machine, "", "", "portable-executable"},
	{"a program of Linux", "", "a", elf, "", "", "can do harm"},
	{"a program of Linux said to be a picture", "image/jpeg", "a.jpg", elf, "", "", "can do harm"},
	{"a program of macOS", "", "a", "\xcf\xfa\xed\xfe\x07\x00\x00\x01\x03\x00\x00\x00\x02\x00\x00\x00", "", "", "mach-binary"},
	{"a program for both", "", "a", "\xca\xfe\xba\xbe\x00\x00\x00\x02\x01\x00\x00\x07", "", "", "can do harm"},
	{"a class of Java", "", "a.class", "\xca\xfe\xba\xbe\x00\x00\x00\x34\x00\x10", "", "", "can do harm"},
	{"a shell script", "text/plain", "a.txt", "#!/bin/sh\nrm -rf /\n", "", "", "shellscript"},
	{"a script of Python", "text/plain", "a.txt", "#!/usr/bin/env python\nimport os\n", "", "", "can do harm"},
	{"a script of PHP", "image/gif", "a.gif", "GIF89a <?php system($_GET['c']); ?>", "", "", "text/x-php"},
	{"a script of PHP in a text", "text/plain", "a.txt", "hello <?php system($_GET['c']); ?>", "", "", "text/x-php"},
	{"a batch file", "text/plain", "a.bat", "@echo off\r\ndel *.*\r\n", "", "", ".bat"},
	{"a batch file said to be a list", "text/csv", "a.cmd", "@echo off\r\n", "", "", ".cmd"},
	{"a script of PowerShell", "text/plain", "a.ps1", "Remove-Item x", "", "", ".ps1"},
	{"a script of VBScript", "text/plain", "a.vbs", "MsgBox 1", "", "", ".vbs"},
	{"an application of HTML", "application/hta", "a.hta", "<hta:application><script>", "", "", "can do harm"},
	{"a change of the registry", "text/plain", "a.txt", "Windows Registry Editor Version 5.00\r\n", "", "", "can do harm"},
	{"a shortcut", "", "a.lnk", "L\x00\x00\x00\x01\x14\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46", "", "", "shortcut"},
	{"a shortcut to a page", "text/plain", "a.txt", "[InternetShortcut]\r\nURL=file:///c:/x\r\n", "", "", "shortcut"},
	{"a starter of Linux", "text/plain", "a.desktop", "[Desktop Entry]\nExec=rm\n", "", "", ".desktop"},
	{"an unknown program by its name", "", "a.com", "\xe9\x00\x01\x00\x90", "", "", ".com"},
	{"an unknown library by its name", "", "a.dll", "\x01\x00\x00\x00", "", "", ".dll"},
	{"a name that turns around", "text/plain", "a\u202etxt.bat", "@echo off", "", "", ".bat"},
	{"WebAssembly", "", "a.wasm", "\x00asm\x01\x00\x00\x00", "", "", "wasm"},
	{"Flash", "", "a.swf", "CWS\x0a\x00\x00\x00\x00", "", "", "flash"},
	{"a package of Debian", "", "a.deb", "!<arch>\ndebian-binary   1410122664  0     0     100644  4         `\n", "", "", "can do harm"},
	{"a package of Red Hat", "", "a.rpm", "\xed\xab\xee\xdb\x03\x00", "", "", "rpm"},
	{"an application of Java", "", "a.jar", zipOf(entry{"META-INF/MANIFEST.MF", 10, 10}), "", "", "java-archive"},
	{"an application of Android", "", "a.apk", zipOf(entry{"AndroidManifest.xml", 10, 10}), "", "", "android"},
	{"a cabinet", "", "a.cab", "MSCF\x00\x00\x00\x00\x00\x00", "", "", "cab"},
	{"help of Windows", "", "a.chm", "ITSF\x03\x00\x00\x00\x60\x00\x00\x00", "", "", "htmlhelp"},

	{"a huge png", "image/png", "a.png", pngOf(60000, 60000), "", "", "60000 by 60000"},
	{"a png that is far too wide", "image/png", "a.png", pngOf(1<<31-1, 1), "", "", "pixels"},
	{"a huge jpeg", "image/jpeg", "a.jpg", jpegOf(65535, 65535), "", "", "65535 by 65535"},
	{"a huge gif", "image/gif", "a.gif", gifOf(65535, 65535), "", "", "pixels"},
	{"a huge webp", "image/webp", "a.webp", webpOf(1<<24-1, 1<<24-1), "", "", "pixels"},
	{"a huge bmp", "image/bmp", "a.bmp", bmpOf(1<<30, -1<<30), "", "", "pixels"},
	{"a huge heic", "image/heic", "a.heic", heicOf(1<<31, 1<<31), "", "", "pixels"},
	{"a huge tiff", "image/tiff", "a.tiff", tiffOf(1<<30, 1<<30), "", "", "pixels"},
	{"a huge psd", "image/vnd.adobe.photoshop", "a.psd", "8BPS\x00\x01\x00\x00\x00\x00\x00\x00\x00\x03\x00\x04\x93\xe0\x00\x04\x93\xe0\x00\x08\x00\x03", "", "", "pixels"},
	{"half a head of a png", "image/png", "a.png", pngOf(2, 2)[:20], "", "", "head cannot be read"},
	{"half a head of a jpeg", "image/jpeg", "a.jpg", "\xff\xd8\xff\xe0", "", "", "head cannot be read"},
	{"a tiff that leads nowhere", "image/tiff", "a.tiff", "II*\x00\xff\xff\xff\x7f", "", "", "head cannot be read"},

	{"a zip bomb", "application/zip", "a.zip", zipOf(entry{"a", 40, 1 << 31}), "", "", "times as large"},
	{"a zip bomb of many parts", "application/zip", "a.zip", zipOf(many(1000, entry{"a", 10, 1 << 24})...), "", "", "times as large"},
	{"a zip bomb in a document", "", "a.docx", zipOf(entry{"[Content_Types].xml", 9, 9}, entry{"word/document.xml", 9, 1 << 31}), "", "", "times as large"},
	{"a zip whose files lie over each other", "application/zip", "a.zip", zipOf(many(100, entry{"a", 1 << 20, 1 << 20})...), "", "", "over each other"},
	{"a zip of too many files", "application/zip", "a.zip", zipOf(many(20_001, entry{"", 0, 0})...), "", "", "20001 files"},
	{"a zip64 bomb", "application/zip", "a.zip", zip64Of(1 << 50), "", "", "times as large"},
	{"a zip64 whose sum wraps", "application/zip", "a.zip", zip64Of(1<<64-1, 1<<64-1), "", "", "times as large"},
	{"a zip without an end", "application/zip", "a.zip", "PK\x03\x04 and nothing more", "", "", "archive cannot be read"},
	{"a zip whose directory is elsewhere", "application/zip", "a.zip", strings.Replace(zipOf(entry{"a", 1, 1}), "PK\x01\x02", "PK\x09\x09", 1), "", "", "archive cannot be read"},
	{"a zip that says more entries than it has", "application/zip", "a.zip", moreEntries(zipOf(entry{"a", 1, 1})), "", "", "archive cannot be read"},
	{"a gzip bomb", "application/gzip", "a.gz", gzipOf(1 << 31), "", "", "times as large"},
	{"a gzip bomb said to be text", "text/plain", "a.txt", gzipOf(1 << 31), "", "", "times as large"},
	{"a cut gzip", "application/gzip", "a.gz", "\x1f\x8b\x08\x00", "", "", "archive cannot be read"},
}

func TestFiles(t *testing.T) {
	if n := len(taken) + len(refusals); n < 100 {
		t.Fatalf("only %d vectors", n)
	}
	for _, v := range append(taken, refusals...) {
		t.Run(v.what, func(t *testing.T) {
			r := bytes.NewReader([]byte(v.data))
			got, err := inspect.File(r, r.Size(), v.declared, v.name, inspect.Policy{})
			if v.refused != "" {
				if core.CodeOf(err) != core.Invalid || !strings.Contains(err.Error(), v.refused) {
					t.Errorf("got %+v, %v; want a refusal with %q", got, err, v.refused)
				}
				return
			}
			if err != nil || got.MIME != v.mime || got.Name != v.kept {
				t.Errorf("got %q %q, %v; want %q %q", got.MIME, got.Name, err, v.mime, v.kept)
			}
		})
	}
}

func TestPolicy(t *testing.T) {
	page, picture := "<html>", pngOf(2000, 2000)
	tests := []struct {
		name    string
		data    string
		policy  inspect.Policy
		refused string
	}{
		{"of a class", picture, inspect.Policy{Types: []string{"image/*"}}, ""},
		{"of another class", picture, inspect.Policy{Types: []string{"video/*", "application/pdf"}}, "image/png are not taken here"},
		{"harm that a class has", page, inspect.Policy{Types: []string{"text/*", "*/*"}}, "text/html can do harm"},
		{"harm that is named", page, inspect.Policy{Types: []string{"text/HTML"}}, ""},
		{"too many pixels", picture, inspect.Policy{Pixels: 1_000_000}, "at most 1000000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := strings.NewReader(tt.data)
			_, err := inspect.File(r, r.Size(), "", "", tt.policy)
			if (err == nil) != (tt.refused == "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("got %v, want %q", err, tt.refused)
			}
		})
	}
}

func FuzzFile(f *testing.F) {
	for _, v := range append(taken, refusals...) {
		if len(v.data) < 4096 {
			f.Add([]byte(v.data), v.declared, v.name)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, declared, name string) {
		r := bytes.NewReader(data)
		got, err := inspect.File(r, r.Size(), declared, name, inspect.Policy{})
		if err != nil {
			if core.CodeOf(err) != core.Invalid {
				t.Errorf("error without a reason: %v", err)
			}
			return
		}
		if strings.Count(got.MIME, "/") != 1 || strings.ContainsAny(got.MIME, "\r\n;, ") || got.Name == "" || strings.ContainsAny(got.Name, "/\\\r\n\x00") {
			t.Errorf("got %+v", got)
		}
	})
}

// The files of the vectors: heads and directories, which is all that is read.

func be32(n int64) string { return string(binary.BigEndian.AppendUint32(nil, uint32(n))) }
func le32(n int64) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }
func be16(n int64) string { return string(binary.BigEndian.AppendUint16(nil, uint16(n))) }
func le16(n int64) string { return string(binary.LittleEndian.AppendUint16(nil, uint16(n))) }
func le64(n uint64) string {
	return string(binary.LittleEndian.AppendUint64(nil, n))
}
