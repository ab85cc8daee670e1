package rules

import (
	"slices"

	"github.com/openccsp/gateway/sdk"
)

// flowSchema has the keys of a flow.
func flowSchema() schema {
	params := tableOf("What it is begun with; a name that ends with ? may be absent.", ref("type"))
	params["propertyNames"] = schema{"pattern": `^[a-z][a-z0-9_]{0,40}\??$`}
	params["maxProperties"] = maxParams
	return schema{
		"name":    scalarOf("Unique over all files."),
		"params":  params,
		"ends_on": endsOnSchema(),
		"steps":   stepsSchema("Done in this order."),
	}
}

// endsOnSchema has the events, and the keywords, that can end a flow.
func endsOnSchema() schema {
	names := slices.DeleteFunc(slices.Clone(eventNames), func(name string) bool { return name == sdk.CustomerMessage })
	end := anyOf("", oneOf("", names...), object("", schema{"keyword": someOf("A message of the customer, in any case.")}, "keyword"))
	return anyOf("Events and keywords that end it.", end, listOf("", end))
}

func stepsSchema(description string) schema {
	return described(schema{"type": "array", "items": ref("step"), "minItems": 1}, description)
}

// stepSchema is a step of a flow: one of its own kinds, or an action.
func stepSchema() schema {
	actions := actionsSchema()
	tell := schema{
		"notify": actions["notify"],
		"as":     nameSchema("The name of the answer in later steps."),
		"within": formed("How long to wait for the answer; default: 2m.", durationForm),
		"else":   stepsSchema("Steps if no answer came."),
	}
	delete(actions, "notify")
	action := object("", actions)
	action["minProperties"], action["maxProperties"] = 1, 1
	return anyOf("",
		schema{"const": "end"},
		object("", schema{"end": schema{"type": "null", "description": "The flow ends here."}}, "end"),
		object("", askSchema(), "ask"),
		object("", schema{"wait": formed("Go on after that time, at most 30d.", durationForm)}, "wait"),
		object("", schema{
			"when": scalarOf("An expression."), "then": stepsSchema("Steps if it is true."), "else": stepsSchema("Steps if it is false."),
		}, "when", "then"),
		object("", tell, "notify"),
		action,
	)
}

// askSchema has the keys of a question.
func askSchema() schema {
	return schema{
		"ask":     described(ref("question"), "Send, and wait for the customer's reply."),
		"accept":  scalarOf("An expression that a reply must make true, on reply.text."),
		"within":  formed("How long to wait for the reply; default: 1d.", durationForm),
		"retries": schema{"type": "integer", "minimum": 0, "maximum": maxRetries, "description": "How often to ask again."},
		"retry":   described(ref("question"), "What to send when asking again."),
		"as":      nameSchema("The name of the reply in later steps."),
		"else":    stepsSchema("Steps if no reply came, or none that is accepted."),
	}
}

// nameSchema is a name of the author's own in expressions.
func nameSchema(description string) schema { return formed(description, plainName.String()) }

// testSchema has the keys of a test.
func testSchema() schema {
	open := schema{"type": "object"}
	expect := schema{
		"rule": scalarOf("What the rule of this name does."), "flow": scalarOf("What the flow of this name does."),
		"not": oneOf("The rule must not have matched.", "matched"), "because": scalarOf("The part of its condition that was false."),
	}
	for name := range actionsSchema() {
		expect[name] = schema{"description": "The action, its templates filled in. Of a mapping what is written is compared."}
	}
	return schema{
		"name": scalarOf(""),
		"given": object("What there is when the test begins.", schema{
			"service": scalarOf(""), "channel": scalarOf(""), "channel_type": scalarOf(""), "now": scalarOf("The time of the first event."),
			"conversation": schema{"type": "object", "properties": schema{
				"reply_window": oneOf("Whether the customer can be written to, on a channel where that ends.", "open", "closed"),
			}}, "customer": open, "chat": anyOf("", open, schema{"const": "none"}), "tags": someOf(""), "attributes": open,
			"matched": tableOf("When rules matched before, for once, cooldown and throttle: -10m, or a list of such.", someOf("")),
		}),
		"events": listOf("In the order of their times.", schema{
			"type": "object", "properties": schema{
				"at":   formed("Since the test began, such as +0s or +15m.", `^\+?([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$`),
				"type": oneOf("The event; its fields stand beside it.", eventNames...),
			},
		}),
		"expect": listOf("All that is done, in order. []: nothing.", object("", expect)),
	}
}
