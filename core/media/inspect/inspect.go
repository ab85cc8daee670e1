// Package inspect finds out what a file is, whatever its sender says, and refuses
// what harms who opens it. It looks at heads and directories only: nothing is
// unpacked and no picture is decoded.
package inspect

import (
	"io"
	"mime"
	"strings"

	"github.com/gabriel-vasile/mimetype"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/media"
)

// Policy says which files are taken.
type Policy struct {
	// Types are the MIME types, such as image/*; none: all but those that can do
	// harm. Those are taken only where they are named in full.
	Types  []string
	Pixels int64 // of a picture; 0: 200 million
}

// Found is what a file turned out to be.
type Found struct {
	MIME string
	Name string // clean; with an extension that belongs to the type; never ""
}

const (
	headBytes     = 4096 // the detector looks at no more
	defaultPixels = 200_000_000
	unknownType   = "application/octet-stream"
	plainText     = "text/plain"
)

// File looks at a file of size bytes that was declared to be of a type, which may
// be "" or wrong, and to have a name. Files that are not taken are a [core.Invalid]
// whose text says why; any other error is the reader's.
func File(r io.ReaderAt, size int64, declared, name string, p Policy) (Found, error) {
	head := make([]byte, min(size, headBytes))
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, size), head); err != nil {
		return Found{}, err
	}
	name = media.CleanName(name)
	f := Found{MIME: typeOf(head, clean(declared), name)}
	if err := p.allows(f.MIME); err != nil {
		return f, err
	}
	if ext := media.Extension(name); harmfulName(ext, f.MIME) {
		return f, notTaken("files that end in %s can do harm", ext)
	}
	if err := checkPicture(r, size, head, f.MIME, p.pixels()); err != nil {
		return f, err
	}
	if err := checkArchive(r, size, head); err != nil {
		return f, err
	}
	f.Name = named(name, f.MIME)
	return f, nil
}

// notTaken is the error for a file of a type that is not taken.
func notTaken(format string, args ...any) error {
	return media.Refused(core.Invalid, media.WrongType, format, args...)
}

// refused is the error for a file that harms, or is none of its type.
func refused(format string, args ...any) error {
	return media.Refused(core.Invalid, media.Harmful, format, args...)
}

func (p Policy) pixels() int64 {
	if p.Pixels > 0 {
		return p.Pixels
	}
	return defaultPixels
}

// allows refuses types that are not to be taken.
func (p Policy) allows(mime string) error {
	for _, t := range p.Types {
		if strings.EqualFold(t, mime) {
			return nil
		}
	}
	switch {
	case harmful(mime):
		return notTaken("files of type %s can do harm", mime)
	case len(p.Types) > 0 && !media.Takes(p.Types, mime):
		return notTaken("files of type %s are not taken here", mime)
	}
	return nil
}

// typeOf is the type of a file by its first bytes. What somebody declares counts
// where bytes say little: for texts, and for what the detector does not know and
// would not know.
func typeOf(head []byte, declared, name string) string {
	real := detect(head)
	switch {
	case real == plainText && (strings.HasPrefix(declared, "text/") || declared == "application/json"):
		return declared
	case real == plainText && media.Extension(name) == ".csv":
		return "text/csv"
	case real == unknownType && declared != "" && !recognizable(declared):
		return declared
	case sameThing[real] == declared && declared != "":
		return declared
	}
	return real
}

// sameThing are types of one container of which the head does not tell more.
var sameThing = map[string]string{
	"video/webm": "audio/webm", "application/ogg": "audio/ogg", "video/mp4": "audio/mp4", "video/3gpp": "audio/3gpp", "audio/x-m4a": "audio/mp4",
}

// detect returns the MIME type of a file without its parameters.
func detect(head []byte) string {
	if own := ownMagic(head); own != "" {
		return own
	}
	return clean(mimetype.Detect(head).String())
}

// recognizable says whether a file of the type would have been recognized, so that
// one that was not is none. Sound may begin in many ways.
func recognizable(mime string) bool {
	switch class(mime) {
	case "image", "text":
		return true
	case "audio", "video":
		return false
	}
	return mimetype.Lookup(mime) != nil
}

// clean returns a MIME type in lower case and without parameters; "" if it is none.
func clean(s string) string {
	t, _, err := mime.ParseMediaType(s)
	if err != nil || len(t) > 100 || strings.Count(t, "/") != 1 || t == unknownType {
		if err == nil && t == unknownType {
			return t
		}
		return ""
	}
	return t
}

// named returns the name with an extension that belongs to the type: a picture
// does not end in .exe. Without a name it is "file".
func named(name, mime string) string {
	ext := media.Extension(name)
	stem := strings.TrimRight(name[:len(name)-len(ext)], ". ")
	if stem == "" {
		stem = "file"
	}
	says := media.TypeOfName(name)
	if wrong := programs[ext] || scripts[ext] || says != "" && class(says) != class(mime); wrong || ext == "" {
		ext = ""
		if known := mimetype.Lookup(mime); known != nil {
			ext = known.Extension()
		}
	}
	return media.CleanName(stem + ext)
}

// class is a type up to its slash.
func class(mime string) string {
	c, _, _ := strings.Cut(mime, "/")
	return c
}
