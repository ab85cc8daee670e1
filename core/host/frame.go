package host

import (
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// openFrame is a frame to the plugin that wants an answer.
type openFrame struct {
	frame pluginv1.HostFrame
	call  pluginv1.HostFrame_Call
	poll  pluginv1.HostFrame_Poll
	hook  pluginv1.HostFrame_Webhook
	conv  core.ConversationID

	// one of these is set
	onResult  func(*pluginv1.Result, core.Fate)
	onPoll    func(*pluginv1.PollAnswer, core.Fate)
	onWebhook func(*pluginv1.WebhookAnswer, core.Fate)

	size     int
	started  time.Time
	deadline time.Time
	written  bool // handed to gRPC; guarded by link.mu
	done     bool // nobody waits any more; guarded by link.mu
}

// answer ends the frame. It is called once, without locks.
func (f *openFrame) answer(p *pluginv1.PluginFrame, fate core.Fate) {
	switch {
	case f.onResult != nil:
		r := p.GetResult()
		f.onResult(r, answered(fate, r != nil))
	case f.onPoll != nil:
		r := p.GetPoll()
		if r.SizeVT() > maxFrameBytes {
			r = &pluginv1.PollAnswer{Result: tooLargeResult()}
		}
		f.onPoll(r, answered(fate, r != nil))
	case f.onWebhook != nil:
		r := p.GetWebhook()
		if r.SizeVT() > maxFrameBytes {
			r = nil
		}
		f.onWebhook(r, answered(fate, r != nil))
	}
}

func tooLargeResult() *pluginv1.Result {
	return &pluginv1.Result{Outcome: pluginv1.Outcome_REJECTED, Code: "too_large", Detail: errFrameSize.Error()}
}

// answered takes an answer of the wrong kind for none.
func answered(fate core.Fate, has bool) core.Fate {
	if fate == core.Answered && !has {
		return core.Lost
	}
	return fate
}

// talk is one conversation with one instance.
type talk struct {
	instance string
	conv     core.ConversationID
}

func (f *openFrame) talk() talk { return talk{f.frame.Instance, f.conv} }

// ordered says whether f must wait for the other calls of its conversation.
// Polls do not.
func (f *openFrame) ordered() bool {
	return f.onResult != nil && f.conv != core.ConversationID{}
}
