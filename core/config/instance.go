package config

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/openccsp/gateway/core/diag"
)

// Kind is what an Instance is.
type Kind string

// The kinds.
const (
	Channel     Kind = "channel"
	Integration Kind = "integration"
)

// Instance is one channel or integration:
//
//	integration "enghouse" "ChatEngineEnghouse" {
//	  message_routing = true    # integrations: rules see agents' messages; default false
//	  settings {                # the driver's; it says which there are
//	    base_url = "https://ccsp.example.com"
//	  }
//	  dispatch { … }            # see Dispatch
//	  media { … }               # see InstanceMedia
//	}
//
// The labels are the driver and the name. Names are unique over channels and
// integrations together; they are parts of URLs.
type Instance struct {
	Kind           Kind
	Driver, Name   string
	MessageRouting bool
	Settings       Settings
	Dispatch       Dispatch
	Media          InstanceMedia
	Pos            diag.Pos // of the block
	DriverAt       diag.Pos
	NameAt         diag.Pos
	mediaAt        diag.Pos
}

var instanceSchemas = map[Kind]*hcl.BodySchema{
	Channel:     {Blocks: []hcl.BlockHeaderSchema{{Type: "settings"}, {Type: "dispatch"}, {Type: "media"}}},
	Integration: {Attributes: optional("message_routing"), Blocks: []hcl.BlockHeaderSchema{{Type: "settings"}, {Type: "dispatch"}, {Type: "media"}}},
}

func readInstance(r *reader, hb *hcl.Block, kind Kind) *Instance {
	b := r.block(hb, instanceSchemas[kind])
	media := b.only("media", instanceMediaSchema)
	i := &Instance{
		Kind: kind, Driver: b.labels[0].value, Name: b.labels[1].value,
		MessageRouting: b.flag("message_routing"),
		Dispatch:       readDispatch(b.one("dispatch")),
		Media:          readInstanceMedia(media),
		Pos:            b.pos, DriverAt: b.labels[0].pos, NameAt: b.labels[1].pos, mediaAt: media.at("max_file"),
	}
	i.Settings = b.settings()
	r.checkName("driver", b.labels[0])
	r.checkName(string(kind)+" name", b.labels[1])
	return i
}
