package rehearse_test

import (
	"testing"

	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/rehearse"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// In a test of rules a change of control needs no more than who makes it.
func TestRunOfControl(t *testing.T) {
	tests := []struct {
		event *pluginv1.Event
		owner state.Owner
	}{
		{&pluginv1.Event{Type: sdk.ControlOffered, By: "bot"}, state.Owner_OWNER_BOT},
		{&pluginv1.Event{Type: sdk.ControlPassed, By: "bot"}, state.Owner_OWNER_CCSP},
		{&pluginv1.Event{Type: sdk.ControlPassed, By: "ccsp"}, state.Owner_OWNER_BOT},
		{&pluginv1.Event{Type: sdk.ControlPassed, By: "operator", To: "bot"}, state.Owner_OWNER_BOT},
		{&pluginv1.Event{Type: sdk.ControlAccepted, By: "bot"}, state.Owner_OWNER_BOT},
		{&pluginv1.Event{Type: sdk.ControlAccepted, By: "ccsp"}, state.Owner_OWNER_CCSP},
		{&pluginv1.Event{Type: sdk.ControlReleased, By: "ccsp"}, state.Owner_OWNER_NONE},
	}
	for _, tt := range tests {
		s := snap()
		s.Services["retail"].Bot = "helper"
		s.Instances["helper"] = &conversation.Instance{Name: "helper"}
		play, err := rehearse.Run(s, &rules.Given{Service: "retail"}, []rules.TestEvent{{Event: tt.event}})
		if err != nil {
			t.Fatal(err)
		}
		if why := play.Records[0].DuplicateOf; why != "" || play.Doc.Owner != tt.owner {
			t.Errorf("%s by %s: owner %s, recorded only: %q", tt.event.Type, tt.event.By, play.Doc.Owner.Word(), why)
		}
	}
}
