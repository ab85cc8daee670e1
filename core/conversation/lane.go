package conversation

import (
	"fmt"
	"strings"
)

// LaneCustomer is the lane of what goes to the conversation's customer.
const LaneCustomer = "customer"

const (
	laneBot  = "bot"
	laneCall = "call"
	lanePush = "push"
	laneChat = "chat:" // and the chat's number: each chat has a lane
)

// ChatLane returns the lane of what goes to the conversation's n-th chat, such
// as "chat:3".
func ChatLane(n uint32) string { return fmt.Sprint(laneChat, n) }

// IsChatLane says whether a lane is that of a chat.
func IsChatLane(lane string) bool { return strings.HasPrefix(lane, laneChat) }

// ownLane is the lane of the next command alone: nothing waits for it.
func (t *turn) ownLane(kind string) string { return fmt.Sprintf("%s:%d", kind, t.doc.Commands+1) }
