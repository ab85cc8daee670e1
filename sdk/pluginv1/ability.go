// Package pluginv1 is the wire between the gateway and its plugins, version 1.
// Authors of plugins use package sdk instead.
package pluginv1

// The names in Driver.abilities. A host does not use what it does not know.
const (
	AbilityWebhook          = "webhook"            // WebhookRequest frames
	AbilityPollChat         = "poll_chat"          // Poll frames with a chat
	AbilityPollAccount      = "poll_account"       // Poll frames without a chat
	AbilityListen           = "listen"             // Inbound frames that nobody asked for
	AbilitySocket           = "socket"             // Link.Socket
	AbilityValidate         = "validate"           // Plugin.Validate makes a live check
	AbilityTypingToCustomer = "typing_to_customer" // TYPING, channels
	AbilityTypingToChat     = "typing_to_chat"     // TYPING, connectors
	AbilityReceipt          = "receipt"            // RECEIPT
	AbilityTransfer         = "transfer"           // TRANSFER
	AbilityHold             = "hold"               // HOLD
	AbilityReopen           = "reopen"             // REOPEN
	AbilityUpdate           = "update"             // UPDATE
	AbilitySendEvent        = "send_event"         // EVENT
	AbilityCall             = "call"               // CALL_OUT
	AbilityRegister         = "register"           // REGISTER
)
