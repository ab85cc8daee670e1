package config

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/openccsp/gateway/core/diag"
)

// Endpoint is a URL that rules may notify:
//
//	endpoint "ops" {
//	  url           = "https://ops.example.com/hook"  # required
//	  secret        = env("OPS_SECRET")  # signs the requests (Standard Webhooks); default: not signed
//	  allow_private = false              # may it be in a private network, or this machine; default false
//	}
type Endpoint struct {
	Name         string
	URL          string
	Secret       Secret
	AllowPrivate bool
	Pos          diag.Pos
}

func readEndpoint(r *reader, hb *hcl.Block) *Endpoint {
	b := r.block(hb, &hcl.BodySchema{
		Attributes: append(optional("secret", "allow_private"), hcl.AttributeSchema{Name: "url", Required: true}),
	})
	r.checkName("endpoint name", b.labels[0])
	return &Endpoint{
		Name: b.labels[0].value, URL: b.url("url"), Secret: b.secret("secret"),
		AllowPrivate: b.flag("allow_private"), Pos: b.pos,
	}
}
