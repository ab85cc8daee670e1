package conversation

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const (
	pushType = "push"  // of channels that reach apps
	maxToken = 4 << 10 // bytes
)

// platformName is what a platform may be called: it is before the colon in a
// token.
var platformName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// hide takes an app's push token out of an event: who has it can write to the app.
// What is recorded tells one from another.
func hide(f *fact) {
	if f.ev.GetType() != sdk.PushToken || f.token != "" {
		return
	}
	f.token = f.ev.Params["token"]
	ev := f.ev.CloneVT()
	ev.Payload = nil // it may have it, too
	if f.token != "" {
		ev.Params["token"] = masked(f.token)
	}
	f.ev = ev
}

// masked stands for a token where everybody may look.
func masked(token string) string {
	h := sha256.Sum256([]byte(token))
	return "sha256:" + hex.EncodeToString(h[:6])
}

// pushToken has the service's push channels know the customer's app, or forget it.
// The customer is reached there by the address that the conversation has.
func (t *turn) pushToken(f *fact) proposal {
	platform, token := f.ev.Params["platform"], f.token
	address := t.doc.Customer.GetAddress()
	switch {
	case f.instance != t.doc.Channel || address == "":
		return t.only("no_customer")
	case !platformName.MatchString(platform) || token == "" || len(token) > maxToken:
		return t.only("no token")
	}
	_, remove := f.ev.Params["remove"]
	if own := t.doc.Customer.GetAddresses()[pushType]; own != "" {
		address = own
	} else if !remove {
		if why := t.setField("addresses."+pushType, address); why != "" {
			return t.only(why)
		}
	}
	return proposal{extra: func() {
		for _, name := range t.home().Channels {
			inst := t.snap.Instances[name]
			if inst.caps().GetChannelType() != pushType || inst.Removed {
				continue
			}
			c := &state.Command{
				Kind: state.CommandKind_REGISTER, Lane: lanePush, Instance: name, To: address, Token: platform + ":" + token, On: !remove,
			}
			if inst.cannot(pluginv1.AbilityRegister) {
				t.drop(c, unsupported)
			} else {
				t.command(c)
			}
		}
	}}
}
