package config

import (
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/openccsp/gateway/core/diag"
)

// Media is the block of the files of messages, which the gateway keeps under
// data_dir/media:
//
//	media {
//	  max_file      = "25MiB"   # of one file
//	  max_total     = "4GiB"    # of all on disk; over it no file is taken
//	  retention     = "30d"     # default: the store's
//	  link_ttl      = "24h"     # how long a link to a file works; it needs public_url
//	  allow_private = false     # may files be fetched from this machine, or a private network
//	  types         = ["image/*", "application/pdf"]  # default: all but those that can do harm
//	}
//
// The values shown are the defaults, but types'. A type that can do harm, such as
// text/html, is taken only if it is named in full.
type Media struct {
	MaxFile, MaxTotal int64         // bytes
	Retention         time.Duration // 0: the store's
	LinkTTL           time.Duration
	AllowPrivate      bool
	Types             []string // nil: all but those that can do harm
}

var mediaSchema = &hcl.BodySchema{Attributes: optional("max_file", "max_total", "retention", "link_ttl", "allow_private", "types")}

func readMedia(b *block) Media {
	m := Media{
		MaxFile:      b.size("max_file", 25<<20),
		MaxTotal:     b.size("max_total", 4<<30),
		Retention:    b.duration("retention", 0),
		LinkTTL:      b.duration("link_ttl", 24*time.Hour),
		AllowPrivate: b.flag("allow_private"),
		Types:        b.types("types"),
	}
	if m.MaxFile > m.MaxTotal {
		b.r.problem(b.at("max_file"), "max_file is more than max_total: no such file could be kept")
	}
	if m.LinkTTL < time.Minute {
		b.r.problem(b.at("link_ttl"), "link_ttl is less than a minute; a platform needs longer to fetch a file")
	}
	return m
}

// InstanceMedia is a block of an instance that narrows which files it may bring in
// and is sent. The driver's own limits hold as well:
//
//	media {
//	  types    = ["image/*"]   # default: those of the media block
//	  max_file = "5MiB"        # default: that of the media block
//	}
type InstanceMedia struct {
	Types   []string `json:",omitzero"` // nil: not narrowed; empty: no files
	MaxFile int64    `json:",omitzero"` // bytes; 0: not narrowed
}

var instanceMediaSchema = &hcl.BodySchema{Attributes: optional("types", "max_file")}

func readInstanceMedia(b *block) InstanceMedia {
	return InstanceMedia{Types: b.types("types"), MaxFile: b.size("max_file", 0)}
}

// types returns a list of MIME types, such as image/png or image/*; nil if the
// attribute is absent.
func (b *block) types(name string) []string {
	if !b.has(name) {
		return nil
	}
	list := []string{}
	for _, t := range b.texts(name) {
		class, sub, ok := strings.Cut(strings.ToLower(t.value), "/")
		if !ok || !isToken(class) && (class != "*" || sub != "*") || !isToken(sub) && sub != "*" {
			b.r.problem(t.pos, `%s %q is not a MIME type; write one such as "image/png" or "image/*"`, name, t.value)
			continue
		}
		list = append(list, class+"/"+sub)
	}
	return list
}

func isToken(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.+-_") == ""
}

// checkMedia reports instances that may have larger files than there can be.
func (c *Config) checkMedia(r *reader) {
	for _, i := range c.Instances() {
		if i.Media.MaxFile > c.Media.MaxFile {
			r.problems = append(r.problems, &diag.Problem{
				Pos: i.mediaAt, Summary: "max_file of " + string(i.Kind) + ` "` + i.Name + `" is more than that of the media block`,
				Hint: "raise that one, or lower this one",
			})
		}
	}
}
