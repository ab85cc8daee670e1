package host

import "github.com/openccsp/gateway/sdk/pluginv1"

// CheckManifest says why the gateway would refuse a plugin that describes
// itself so; nil if it would not.
func CheckManifest(m *pluginv1.Manifest) error {
	_, err := checkManifest(m)
	return err
}
