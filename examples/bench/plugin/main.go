// Command plugin is the plugin of the benchmark and of the chaos run: a
// channel and a connector over plain HTTP, without polling, so that what is
// measured is the gateway.
//
// Each is there twice, because whether the far side drops a message that it
// has seen is a capability of a driver: benchchannel and benchconnector do not
// know, benchchannel_idempotent and benchconnector_idempotent do.
//
// The hooks take one JSON object: of a channel {"id","from","text"}, what a
// customer wrote; of a connector {"chat","id","text"}, what an agent wrote.
package main

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/openccsp/gateway/sdk"
)

func main() {
	caps := sdk.Capabilities{ChannelType: "sms"}
	idempotent := caps
	idempotent.IdempotentSend = true
	sdk.Main(sdk.Plugin{ID: "org.openccsp.bench", Version: "1.0.0", Drivers: []sdk.Driver{
		sdk.NewChannel("benchchannel", caps, openChannel),
		sdk.NewChannel("benchchannel_idempotent", idempotent, openChannel),
		sdk.NewConnector("benchconnector", sdk.Capabilities{}, openConnector),
		sdk.NewConnector("benchconnector_idempotent", sdk.Capabilities{IdempotentSend: true}, openConnector),
	}})
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
