package media

import (
	"fmt"

	"github.com/openccsp/gateway/core"
)

// Why a file is not there, for programs and counts: what a command says that died of
// it. The text of the error says it for people.
const (
	TooLarge    = "media_too_large"   // it has more bytes than are taken
	WrongType   = "media_type"        // files of its type, or with its extension, are not taken
	Harmful     = "media_harmful"     // it is broken, or would become far larger for who opens it
	Blocked     = "media_blocked"     // its address must not be asked, such as one in a private network
	Unreachable = "media_unreachable" // its host has not got it, or does not answer
	Full        = "media_full"        // the gateway has no room for it
	Gone        = "media_gone"        // the gateway has it no longer
)

// Refused returns an error about a file.
func Refused(code core.Code, reason, format string, args ...any) error {
	return &core.Error{Code: code, Reason: reason, Message: fmt.Sprintf(format, args...)}
}
