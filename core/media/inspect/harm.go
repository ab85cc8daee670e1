package inspect

import "bytes"

// harm are the types that a browser or a computer would run.
var harm = set(
	"text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml", "application/xslt+xml", "text/xsl",
	"text/javascript", "application/javascript", "application/x-javascript", "application/ecmascript", "application/wasm",
	"application/x-shockwave-flash", "application/x-java-applet", "application/java-archive", "application/java-vm",
	"application/x-httpd-php", "text/x-php", "text/x-lua", "text/x-perl", "text/x-python", "text/x-ruby", "text/x-tcl", "text/x-shellscript",
	"application/x-sh", "application/x-csh", "application/x-bytecode.python", "application/hta", "text/vbscript", "text/x-msdos-batch",
	"application/vnd.microsoft.portable-executable", "application/x-msdownload", "application/x-dosexec", "application/x-elf",
	"application/x-object", "application/x-executable", "application/x-sharedlib", "application/x-coredump", "application/x-mach-binary",
	"application/x-archive", "application/vnd.debian.binary-package", "application/x-rpm", "application/x-ms-installer", "application/x-msi",
	"application/vnd.android.package-archive", "application/x-ms-shortcut", "application/x-chrome-extension", "application/vnd.ms-htmlhelp",
	"application/x-os2-hlp", "application/x-installshield", "application/vnd.ms-cab-compressed", "application/x-iso9660-image",
	"application/x-apple-diskimage", "multipart/related", "message/rfc822",
)

// scripts are names of texts that a computer would run, programs those of others.
var (
	scripts = set(
		".bat", ".cmd", ".com", ".ps1", ".psm1", ".vbs", ".vbe", ".js", ".jse", ".mjs", ".wsf", ".wsh", ".hta", ".sh", ".bash", ".zsh", ".csh",
		".command", ".py", ".pl", ".rb", ".php", ".phtml", ".jsp", ".asp", ".aspx", ".reg", ".inf", ".scf", ".url", ".desktop", ".html", ".htm",
		".xhtml", ".shtml", ".svg", ".xml", ".xsl", ".xslt", ".mht", ".mhtml", ".applescript", ".settingcontent-ms", ".lnk", ".htaccess",
	)
	programs = set(
		".exe", ".scr", ".pif", ".dll", ".cpl", ".sys", ".msi", ".msp", ".msix", ".appx", ".jar", ".apk", ".ipa", ".deb", ".rpm", ".dmg", ".pkg", ".app",
		".so", ".elf", ".bin", ".run", ".swf", ".class", ".chm", ".iso", ".img", ".vhd", ".ade", ".gadget", ".application",
	)
)

func set(list ...string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, s := range list {
		m[s] = true
	}
	return m
}

// harmful says whether who opens a file of the type may run what is in it.
func harmful(mime string) bool {
	return harm[mime] || len(mime) > 4 && mime[len(mime)-4:] == "+xml" && !office(mime)
}

// harmfulName says whether a file of a type that does no harm itself does, because
// of the extension of its name: what a text is, only that tells.
func harmfulName(ext, mime string) bool {
	switch {
	case harmful(mime): // it is taken by name
		return false
	case mime == unknownType:
		return scripts[ext] || programs[ext]
	}
	return scripts[ext] && class(mime) == "text"
}

// office says that a type ends in +xml by its name only: it is an archive.
func office(mime string) bool { return mime == "application/vnd.ms-visio.drawing.main+xml" }

// magics are those that the detector lacks, or looks for only at the very start.
var magics = []struct {
	at    int
	magic string
	mime  string
}{
	{0, "\xfe\xed\xfa", "application/x-mach-binary"}, // in either word size and order
	{0, "\xce\xfa\xed\xfe", "application/x-mach-binary"},
	{0, "\xcf\xfa\xed\xfe", "application/x-mach-binary"},
	{0, "#!SILK_V3", "audio/silk"},
	{1, "#!SILK_V3", "audio/silk"}, // as WeChat writes it
	{0, "#!AMR", "audio/amr"},
	{0, "#!", "text/x-shellscript"},
	{0, "dex\n", "application/vnd.android.package-archive"},
	{0, "L\x00\x00\x00\x01\x14\x02\x00", "application/x-ms-shortcut"},
	{0, "[InternetShortcut]", "application/x-ms-shortcut"},
	{0, "Windows Registry Editor", "application/x-ms-shortcut"},
	{0, "koly", "application/x-apple-diskimage"},
}

// marks are what makes a text a page or a program, wherever in its head it stands.
var marks = []struct{ mark, mime string }{
	{"<script", "text/html"}, {"<!doctype html", "text/html"}, {"<html", "text/html"}, {"<iframe", "text/html"}, {"<svg", "image/svg+xml"},
	{"<?php", "text/x-php"},
}

// ownMagic returns the type of what the detector is not asked about, else "".
func ownMagic(head []byte) string {
	for _, m := range magics {
		if len(head) >= m.at && bytes.HasPrefix(head[m.at:], []byte(m.magic)) {
			return m.mime
		}
	}
	text := head
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")): // UTF-16: every other byte of a page is NUL
		text = evenBytes(head[2:], 0)
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		text = evenBytes(head[2:], 1)
	case bytes.IndexByte(head, 0) >= 0:
		return ""
	}
	text = bytes.ToLower(text)
	for _, m := range marks {
		if bytes.Contains(text, []byte(m.mark)) && isText(text) {
			return m.mime
		}
	}
	return ""
}

func evenBytes(b []byte, from int) (out []byte) {
	for i := from; i < len(b); i += 2 {
		out = append(out, b[i])
	}
	return out
}

// isText says that b has no control characters that texts do not have.
func isText(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != '\f' && r != '\x1b' })
}
