package sdk

import "context"

// Driver is one channel or connector type, made by [NewChannel] or
// [NewConnector].
type Driver struct {
	name    string
	channel bool
	caps    Capabilities
	schema  []byte
	open    func(ctx context.Context, settings []byte, h Host) (any, error)
	check   func(ctx context.Context, settings []byte) error
	sample  any // zero settings, for abilities of the settings
}
