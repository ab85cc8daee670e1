package rules

import "maps"

// flowSchema has the keys of a flow.
func flowSchema() schema {
	keyword := object("", schema{"keyword": someOf("A word that the customer writes.")}, "keyword")
	end := anyOf("", ref("scalar"), keyword)
	return schema{
		"name":    scalarOf("Unique over all files."),
		"params":  tableOf("What it is begun with; a name that ends with ? may be absent.", ref("type")),
		"ends_on": anyOf("Events and keywords that end it.", end, listOf("", end)),
		"steps":   schema{"type": "array", "items": ref("step"), "minItems": 1},
	}
}

// stepSchema is a step of a flow: an action, or one of its own kinds.
func stepSchema() schema {
	steps := schema{"type": "array", "items": ref("step"), "minItems": 1}
	keys := schema{
		"ask":     described(ref("message"), "Send, and wait for the customer's reply."),
		"accept":  scalarOf("Of ask: an expression that a reply must make true, on reply.text."),
		"within":  formed("How long to wait for the reply or the answer.", durationForm),
		"retries": schema{"type": "integer", "minimum": 0, "maximum": 10, "description": "How often to ask again."},
		"retry":   described(ref("message"), "What to send when asking again."),
		"as":      scalarOf("The name of the reply or the answer in later steps."),
		"wait":    formed("Go on after that time.", durationForm),
		"when":    scalarOf("An expression; then and else are steps."),
		"then":    steps,
		"else":    described(maps.Clone(steps), "Steps if the condition is false, or no reply or answer came."),
		"end":     schema{"type": "null", "description": "The flow ends here."},
	}
	maps.Copy(keys, actionsSchema())
	step := object("", keys)
	step["minProperties"] = 1
	return anyOf("", schema{"const": "end"}, step)
}

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
	expect["ask"] = schema{}
	return schema{
		"name": scalarOf(""),
		"given": object("What there is when the test begins.", schema{
			"service": scalarOf(""), "channel": scalarOf(""), "channel_type": scalarOf(""), "now": scalarOf("The time of the first event."),
			"conversation": open, "customer": open, "chat": anyOf("", open, schema{"const": "none"}), "tags": someOf(""), "attributes": open,
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
