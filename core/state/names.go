package state

// Owners and the states of a chat have one word each, which rule files,
// gateway.hcl, the history and the API share. A value that nobody knows has
// none: "".
var (
	ownerWords = map[Owner]string{
		Owner_OWNER_NONE: "none", Owner_OWNER_CCSP: "ccsp", Owner_OWNER_BOT: "bot", Owner_OWNER_BOTH: "bot+ccsp",
	}
	chatStateWords = map[ChatState]string{
		ChatState_CHAT_NONE: "none", ChatState_CHAT_OPENING: "opening", ChatState_CHAT_OPEN: "open",
		ChatState_CHAT_CLOSING: "closing", ChatState_CHAT_CLOSED: "closed",
	}
)

// Word returns none, ccsp, bot or bot+ccsp.
func (o Owner) Word() string { return ownerWords[o] }

// Word returns none, opening, open, closing or closed.
func (s ChatState) Word() string { return chatStateWords[s] }

// OwnerOf returns the owner with that word, OWNER_NONE if there is none.
func OwnerOf(word string) Owner {
	for o, w := range ownerWords {
		if w == word {
			return o
		}
	}
	return Owner_OWNER_NONE
}
