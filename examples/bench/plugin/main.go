// Command plugin is the plugin of the benchmark and of the chaos run: a
// channel and a connector over plain HTTP, without polling, so that what is
// measured is the gateway.
//
// Each is there twice, because whether the far side drops a message that it
// has seen is a capability of a driver: benchchannel and benchconnector do not
// know, benchchannel_idempotent and benchconnector_idempotent do.
//
// A copy of it may be another plugin, or another version: see package variant.
//
// The hooks take one JSON object: of a channel {"id","from","text"}, what a
// customer wrote; of a connector {"chat","id","text"}, what an agent wrote.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/openccsp/gateway/sdk"
)

func main() {
	as, err := self()
	if err != nil {
		fmt.Fprintln(os.Stderr, "plugin:", err)
		os.Exit(1)
	}
	caps := sdk.Capabilities{ChannelType: "sms"}
	idempotent := caps
	idempotent.IdempotentSend = true
	var drivers []sdk.Driver
	add := func(name string, make func(name string) sdk.Driver) {
		if len(as.Drivers) == 0 || slices.Contains(as.Drivers, name) {
			drivers = append(drivers, make(name))
		}
	}
	add("benchchannel", func(name string) sdk.Driver { return sdk.NewChannel(name, caps, as.openChannel) })
	add("benchchannel_idempotent", func(name string) sdk.Driver { return sdk.NewChannel(name, idempotent, as.openChannel) })
	add("benchconnector", func(name string) sdk.Driver {
		return sdk.NewConnector(name, sdk.Capabilities{}, as.openConnector)
	})
	add("benchconnector_idempotent", func(name string) sdk.Driver {
		return sdk.NewConnector(name, sdk.Capabilities{IdempotentSend: true}, as.openConnector)
	})
	sdk.Main(sdk.Plugin{ID: as.ID, Version: as.Version, Exclusive: as.Exclusive, Drivers: drivers})
}

// settings are those of all drivers.
type settings struct {
	URL       string `json:"url" jsonschema:"description=Where messages are posted to; empty: every send succeeds at once"`
	TimeoutMS int    `json:"timeout_ms" jsonschema:"default=10000,description=How long an answer may take"`
}

// refused is the answer to a body that cannot be read.
func refused() (sdk.WebhookResponse, error) {
	return sdk.WebhookResponse{Status: http.StatusBadRequest, Quarantine: "not a message"}, nil
}

func timeout(s settings) time.Duration { return time.Duration(s.TimeoutMS) * time.Millisecond }

// decode reads a hook's body.
func decode(body []byte, v any) bool { return json.Unmarshal(body, v) == nil }
