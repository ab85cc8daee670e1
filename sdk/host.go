package sdk

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// Host is what the gateway does for an instance. It is safe for concurrent use
// and lives as long as the instance.
type Host interface {
	// Instance is the name of the instance in gateway.hcl.
	Instance() string
	// PublicURL is the address of the instance's hook as platforms see it,
	// such as "https://gw.example.com/hooks/shop", or "" if none is configured.
	PublicURL() string
	// TextLimit is the limit by which the gateway splits the texts that it gives
	// to the driver: that of its capabilities, unless the operator set another.
	TextLimit() TextLimit
	// DataDir is a directory for files that may be lost.
	DataDir() string
	// Log goes to the gateway's log, with the names of plugin and instance.
	Log() *slog.Logger
	// HTTP is a client with limits and tracing for calls to the far side, the
	// instance's own.
	HTTP() *http.Client
	// Now is the time; tests set it.
	Now() time.Time

	// State returns the instance's value under key, nil if there is none.
	State(ctx context.Context, key string) ([]byte, error)
	// SetState replaces old by new, durable when it returns; [ErrConflict] if
	// the value is not old. nil stands for no value.
	SetState(ctx context.Context, key string, old, new []byte) error
	// SaveSecret replaces one secret of the settings, encrypted and durable
	// when it returns, such as a rotated refresh token.
	SaveSecret(ctx context.Context, name, value string) error
	// Undelivered returns the messages sent to address that have no delivered
	// receipt, oldest first, from the one after the message id after ("": from
	// the start), at most limit (0: 100). It needs Capabilities.UndeliveredFor.
	Undelivered(ctx context.Context, address, after string, limit int) ([]Message, error)
	// FetchMedia has the gateway fetch a file that a customer sent, with header,
	// such as Authorization, which goes to the url's own host alone; check it; and
	// keep it. The attachment belongs into the customer's event. A
	// [RejectedError] says that it is not taken, and its code why: media_too_large,
	// media_type, media_harmful, media_blocked (an address that is not asked),
	// media_unreachable, media_full, media_gone. The others may pass.
	FetchMedia(ctx context.Context, url string, header http.Header) (Attachment, error)
	// SaveMedia is FetchMedia for a file that the driver has itself. It reads r to
	// its end; mime may be "".
	SaveMedia(ctx context.Context, name, mime string, r io.Reader) (Attachment, error)
	// OpenMedia returns the bytes of an attachment of a message, and what is known
	// of it: for a far side that wants files uploaded. One that is known only by
	// its URL is fetched first. Errors are as for FetchMedia.
	OpenMedia(ctx context.Context, a Attachment) (io.ReadCloser, Attachment, error)

	// CustomerTyping reports that the customer types, or has stopped. It does
	// not block, and may be dropped.
	CustomerTyping(address string, on bool)
	// ChatTyping reports the same of the agent.
	ChatTyping(ref ChatRef, on bool)
}
