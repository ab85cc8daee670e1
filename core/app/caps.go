package app

import (
	"errors"
	"strings"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/core/media"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// offered is what plugins say of their drivers, and of the instances that have
// other capabilities with their settings.
type offered struct {
	manifests []*pluginv1.Manifest
	own       map[string]*pluginv1.Driver // name and capabilities, by instance
}

// offered is what the plugins have offered so far.
func (g *gateway) offered() offered { return offered{g.manifests(), g.host.Own()} }

// offeredBefore is what they offered when a gateway last ran with c's data folder;
// also with an error what of it could be read.
func offeredBefore(c *config.Config) (offered, error) {
	manifests, err := host.LoadManifests(c.DataDir)
	o := offered{manifests: manifests}
	var all []host.Instance
	for _, i := range c.Instances() {
		all = append(all, hostInstance(c, i, driverOf(manifests, i), nil))
	}
	own, ownErr := host.LoadOwn(c.DataDir, all)
	o.own = own
	return o, errors.Join(err, ownErr)
}

// inForce is i's driver, with the capabilities that i has; nil if nobody knows the
// driver.
func (o offered) inForce(i *config.Instance) *pluginv1.Driver {
	d := driverOf(o.manifests, i)
	if own := o.own[i.Name]; d != nil && own.GetName() == d.Name { // else it was opened with another driver
		d = d.CloneVT()
		d.Capabilities = own.Capabilities.CloneVT()
	}
	return inForce(d, i)
}

// inForce is a driver as an instance has it: with the limits that its dispatch
// block sets in place of the driver's own, and the files that its media block
// leaves of them. A driver that nobody has offered yet is nil.
func inForce(d *pluginv1.Driver, i *config.Instance) *pluginv1.Driver {
	limit, set := textLimit(d, i)
	own, files := i.Dispatch, i.Media
	if d.GetCapabilities() == nil || !set && own.Overflow == "" && own.Rate == 0 && own.Burst == 0 && files.Types == nil && files.MaxFile == 0 {
		return d
	}
	d = d.CloneVT()
	if own.Rate > 0 {
		d.Capabilities.RatePerSecond = own.Rate
	}
	if own.Burst > 0 {
		d.Capabilities.Burst = uint32(own.Burst)
	}
	if set {
		d.Capabilities.ToOutside = limit
	}
	switch own.Overflow {
	case config.SplitTexts:
		d.Capabilities.Overflow = pluginv1.Overflow_SPLIT
	case config.RefuseTexts:
		d.Capabilities.Overflow = pluginv1.Overflow_REFUSE
	}
	narrowFiles(d.Capabilities, i.Media)
	return d
}

// narrowFiles leaves of the files that a driver takes those that the operator
// wants. A driver without types takes none.
func narrowFiles(c *pluginv1.Capabilities, m config.InstanceMedia) {
	if m.Types != nil && len(c.MediaTypes) > 0 {
		c.MediaTypes = media.Narrowed(c.MediaTypes, m.Types)
	}
	if most := uint64(m.MaxFile); most > 0 && (c.MaxAttachmentBytes == 0 || most < c.MaxAttachmentBytes) {
		c.MaxAttachmentBytes = most
	}
}

// textLimit is the limit that an instance's dispatch block sets, if it does. Its
// unit is the driver's unless it names one.
func textLimit(d *pluginv1.Driver, i *config.Instance) (limit *pluginv1.TextLimit, set bool) {
	if i.Dispatch.TextLimit == 0 {
		return nil, false
	}
	limit = &pluginv1.TextLimit{
		Limit: uint32(i.Dispatch.TextLimit), Unit: d.GetCapabilities().GetToOutside().GetUnit(),
	}
	if unit := i.Dispatch.TextUnit; unit != "" {
		limit.Unit = pluginv1.TextUnit(pluginv1.TextUnit_value[strings.ToUpper(unit)])
	}
	return limit, true
}
