package ccsp

import (
	"net/url"
	"path"
	"strings"
)

// fileTypes are the files that people send, by their extensions.
var fileTypes = []struct{ ext, mime string }{
	{".jpg", "image/jpeg"}, {".jpeg", "image/jpeg"}, {".png", "image/png"}, {".gif", "image/gif"}, {".webp", "image/webp"},
	{".heic", "image/heic"}, {".bmp", "image/bmp"}, {".tif", "image/tiff"}, {".tiff", "image/tiff"}, {".svg", "image/svg+xml"},
	{".mp4", "video/mp4"}, {".mov", "video/quicktime"}, {".webm", "video/webm"}, {".3gp", "video/3gpp"},
	{".mp3", "audio/mpeg"}, {".ogg", "audio/ogg"}, {".wav", "audio/wav"}, {".m4a", "audio/mp4"}, {".amr", "audio/amr"},
	{".pdf", "application/pdf"}, {".txt", "text/plain"}, {".csv", "text/csv"}, {".vcf", "text/vcard"}, {".ics", "text/calendar"},
	{".zip", "application/zip"}, {".rtf", "application/rtf"}, {".doc", "application/msword"}, {".xls", "application/vnd.ms-excel"},
	{".ppt", "application/vnd.ms-powerpoint"}, {".odt", "application/vnd.oasis.opendocument.text"},
	{".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
	{".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
	{".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
}

// FileAt returns the name and the MIME type of the file at an http or https
// address, by its extension; ok is false if it does not look like a file.
func FileAt(address string) (name, mime string, ok bool) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", "", false
	}
	name = path.Base(u.Path)
	for _, t := range fileTypes {
		if strings.EqualFold(path.Ext(name), t.ext) && len(name) > len(t.ext) {
			return name, t.mime, true
		}
	}
	return "", "", false
}
