package conversation_test

import (
	"testing"

	"github.com/openccsp/gateway/sdk"
)

// A chat that an agent had put on hold, and that another one takes, is not held.
func TestTransferEndsAHold(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.desk(sdk.ChatAssigned)
	w.desk(sdk.ChatHeld)
	if !w.doc.Chat.Held {
		t.Fatal("it is not held")
	}
	w.desk(sdk.ChatTransferred)
	if w.doc.Chat.Held {
		t.Error("it is held by nobody, and still held")
	}
}
