package config

import (
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/openccsp/gateway/core/diag"
)

// EndpointFormats are what requests to an endpoint can look like, the default
// first: Standard Webhooks, or CloudEvents 1.0 as one JSON or in headers.
var EndpointFormats = []string{"standard", "cloudevents", "cloudevents_binary"}

// Endpoint is a URL that rules may notify:
//
//	endpoint "ops" {
//	  url             = "https://ops.example.com/hook"  # required
//	  secret          = env("OPS_SECRET")  # signs the requests (Standard Webhooks); default: not signed
//	  previous_secret = env("OPS_OLD")     # signs them, too, while receivers change over
//	  bearer          = env("OPS_TOKEN")   # token for the header Authorization
//	  format          = "standard"         # or see EndpointFormats
//	  validate        = false              # ask it first whether it wants them; see core/notify
//	  rate            = 50                 # requests per second; default: no limit
//	  timeout         = "15s"              # of one attempt
//	  disable_after   = "120h"             # of failures alone it gets nothing more
//	  allow_private   = false              # may it be in a private network, or this machine; default false
//	}
type Endpoint struct {
	Name         string
	URL          string
	Secret       Secret
	Previous     Secret
	Bearer       Secret
	Format       string
	Validate     bool          `json:",omitempty"`
	Rate         int           `json:",omitempty"` // 0: no limit
	Timeout      time.Duration // of one attempt
	DisableAfter time.Duration
	AllowPrivate bool
	Pos          diag.Pos
}

// maxEndpointTimeout is the longest time-out of an attempt.
const maxEndpointTimeout = 30 * time.Second

func readEndpoint(r *reader, hb *hcl.Block) *Endpoint {
	b := r.block(hb, &hcl.BodySchema{
		Attributes: append(optional("secret", "previous_secret", "bearer", "format", "validate", "rate", "timeout", "disable_after", "allow_private"),
			hcl.AttributeSchema{Name: "url", Required: true}),
	})
	r.checkName("endpoint name", b.labels[0])
	e := &Endpoint{
		Name: b.labels[0].value, URL: b.url("url"),
		Secret: b.secret("secret"), Previous: b.secret("previous_secret"), Bearer: b.secret("bearer"),
		Format: b.oneOf("format", EndpointFormats[0], EndpointFormats...), Validate: b.flag("validate"), Rate: b.count("rate", 0),
		Timeout: b.duration("timeout", 15*time.Second), DisableAfter: b.duration("disable_after", 5*24*time.Hour),
		AllowPrivate: b.flag("allow_private"), Pos: b.pos,
	}
	if e.Timeout > maxEndpointTimeout {
		r.problem(b.at("timeout"), "timeout is longer than %s", maxEndpointTimeout)
	}
	if e.Validate && e.Format == EndpointFormats[0] {
		r.problem(b.at("validate"), "validate is of CloudEvents; set format = %q or %q", EndpointFormats[1], EndpointFormats[2])
	}
	if e.Previous.Reveal() != "" && e.Secret.Reveal() == "" {
		r.problem(b.at("previous_secret"), "previous_secret is the one before secret; there is no secret")
	}
	return e
}
