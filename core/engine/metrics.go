package engine

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	events, attempts, ambiguous, dead, ends, pollErrors               *prometheus.CounterVec
	duplicates, refused, poison, polls, typingDropped, noticesDropped prometheus.Counter
}

// kinds are the values of the label kind.
const kinds = "(DELIVER, CHAT_OPEN_CMD, CHAT_SEND, CHAT_CLOSE, CHAT_RECEIPT, CHAT_TRANSFER, CHAT_REOPEN, CHAT_EVENT, CHAT_UPDATE, BOT_SEND, BOT_EVENT, CALL, PUSH, NOTIFY, APPEND)"

// newMetrics registers the engine's metrics.
func newMetrics(reg prometheus.Registerer, e *Engine) *metrics {
	f := promauto.With(reg)
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	one := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_events_waiting", Help: "Events accepted and not yet durable.",
	}, func() float64 { return float64(e.waiting.Load()) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_conversations_active", Help: "Conversations with something to do in memory.",
	}, func() float64 { return float64(e.active()) })
	return &metrics{
		events: vec("gateway_events_total",
			"Events decided, by source (channel, integration, timer, api, rule, gateway, unreadable).", "source"),
		attempts: vec("gateway_delivery_attempts_total", "Attempts at commands, by kind "+kinds+".", "kind"),
		ambiguous: vec("gateway_delivery_resent_total",
			"Commands repeated because an attempt ended without an answer, by kind "+kinds+".", "kind"),
		ends: vec("gateway_deliveries_total",
			"Commands that ended, by kind "+kinds+" and end (sent, dropped, dead, gone).", "kind", "end"),
		dead: vec("gateway_dead_letters_total", "Dead letters, by reason (rejected, expired, ambiguous, no_instance, "+
			"no_bot, no_integration, too_many_parts, too_long, chat_rejected, chat_gone, poison).", "reason"),
		pollErrors: vec("gateway_poll_errors_total", "Polls of chats and accounts that failed, by instance.", "instance"),
		duplicates: one("gateway_events_duplicate_total", "Events that had been accepted before."),
		refused: one("gateway_events_refused_total",
			"Requests refused because too many events were waiting, memory was short, or the store slow."),
		poison:        one("gateway_events_poison_total", "Events that could not be decided and are in quarantine."),
		polls:         one("gateway_polls_total", "Polls of chats."),
		typingDropped: one("gateway_typing_dropped_total", "Typing notices that were not passed on."),
		noticesDropped: one("gateway_notices_dropped_total",
			"Receipts of customers' messages, and agents who join or leave, that customers' apps were not told of."),
	}
}

// active counts the cells in memory.
func (e *Engine) active() int {
	n := 0
	for i := range e.shards {
		if s := e.shards[i].Load(); s != nil {
			s.mu.Lock()
			n += len(s.cells)
			s.mu.Unlock()
		}
	}
	return n
}
