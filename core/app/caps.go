package app

import (
	"strings"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/media"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// inForce is a driver as an instance has it: with the limits that its dispatch
// block sets in place of the driver's own, and the files that its media block
// leaves of them. A driver that nobody has offered yet is nil.
func inForce(d *pluginv1.Driver, i *config.Instance) *pluginv1.Driver {
	limit, set := textLimit(d, i)
	if d.GetCapabilities() == nil || !set && i.Dispatch.Overflow == "" && i.Media.Types == nil && i.Media.MaxFile == 0 {
		return d
	}
	d = d.CloneVT()
	if set {
		d.Capabilities.ToOutside = limit
	}
	switch i.Dispatch.Overflow {
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
