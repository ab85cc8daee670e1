package pluginv1

// The handshake of hashicorp/go-plugin. The cookie is no secret: it only tells
// somebody who starts a plugin by hand that the gateway should do so.
const (
	ProtocolVersion  = 1
	MagicCookieKey   = "OPENCCSP_PLUGIN"
	MagicCookieValue = "b1a7f0c25e0e4d0b9a2f5d9e6c3a8471"
)
