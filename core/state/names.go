package state

// Owners, the states of a chat, verdicts and kinds of commands have one word
// each, which rule files, gateway.hcl, the history and the API share. A value
// that nobody knows has none: "".
var (
	ownerWords = map[Owner]string{
		Owner_OWNER_NONE: "none", Owner_OWNER_CCSP: "ccsp", Owner_OWNER_BOT: "bot", Owner_OWNER_BOTH: "bot+ccsp",
	}
	chatStateWords = map[ChatState]string{
		ChatState_CHAT_NONE: "none", ChatState_CHAT_OPENING: "opening", ChatState_CHAT_OPEN: "open",
		ChatState_CHAT_CLOSING: "closing", ChatState_CHAT_CLOSED: "closed",
	}
	verdictWords = map[Verdict]string{
		Verdict_MATCHED: "matched", Verdict_NOT_MATCHED: "not_matched", Verdict_ERROR: "error",
	}
	kindWords = map[CommandKind]string{
		CommandKind_COMMAND_UNSPECIFIED: "none", // something in the document alone, that was not done
		CommandKind_DELIVER:             "deliver", CommandKind_CHAT_OPEN_CMD: "chat_open",
		CommandKind_CHAT_SEND: "chat_send", CommandKind_CHAT_CLOSE: "chat_close",
		CommandKind_NOTIFY: "notify", CommandKind_APPEND: "append", CommandKind_BOT_SEND: "bot_send",
		CommandKind_CHAT_RECEIPT: "chat_receipt", CommandKind_CHAT_EVENT: "chat_event",
		CommandKind_CALL: "call", CommandKind_PUSH: "push", CommandKind_CHAT_TRANSFER: "chat_transfer",
		CommandKind_BOT_EVENT:   "bot_event",
		CommandKind_CHAT_UPDATE: "chat_update",
		CommandKind_CHAT_REOPEN: "chat_reopen",
		CommandKind_REGISTER:    "register",
	}
)

// Word returns none, ccsp, bot or bot+ccsp.
func (o Owner) Word() string { return ownerWords[o] }

// Word returns none, opening, open, closing or closed.
func (s ChatState) Word() string { return chatStateWords[s] }

// Word returns matched, not_matched or error.
func (v Verdict) Word() string { return verdictWords[v] }

// Word returns deliver, chat_open and so on.
func (k CommandKind) Word() string { return kindWords[k] }

// OwnerOf returns the owner with that word, OWNER_NONE if there is none.
func OwnerOf(word string) Owner {
	for o, w := range ownerWords {
		if w == word {
			return o
		}
	}
	return Owner_OWNER_NONE
}
