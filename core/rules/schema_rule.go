package rules

import "maps"

// ruleSchema has the keys of a rule.
func ruleSchema() schema {
	event := oneOf("", eventNames...)
	return schema{
		"name":         scalarOf("Unique over all files: it names the rule in records, counts and tests."),
		"on":           anyOf("What happens: one event or a list.", event, schema{"type": "array", "items": event, "minItems": 1, "uniqueItems": true}),
		"event_name":   someOf("Of a custom_event: only those with one of these names."),
		"service":      someOf("Only events of these services."),
		"integration":  someOf("Only events of these integrations."),
		"channel":      someOf("Only events of conversations on these channels."),
		"channel_type": someOf("Only events of channels of these types, such as rtm or sms."),
		"when":         scalarOf("An expression; without it the rule always matches."),
		"do":           schema{"type": "array", "items": ref("action"), "minItems": 1, "description": "What to do, in this order."},
		"active":       boolean("false: the rule is left out."),
		"valid_from":   formed("A date, or a date and a time in the service's zone.", `^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2})?`),
		"valid_to":     formed("A date, which is included, or a date and a time, which is not.", `^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2})?`),
		"hours": anyOf("Times of the week in the service's zone, such as mon-fri 08:00-18:00.", ref("names"),
			object("All other times.", schema{"outside": someOf("Times of the week.")}, "outside")),
		"after":      formed("Wait so long, look again, and only then do it.", durationForm),
		"once":       boolean("true: once, see per."),
		"cooldown":   formed("Not again within that time.", durationForm),
		"throttle":   formed("At most so often, such as 3 per 1h.", `^[0-9]+ per .+$`),
		"per":        oneOf("What once, cooldown and throttle count for; default: conversation.", "conversation", "customer", "rule"),
		"stop":       boolean("true: if it matches, later rules are not looked at."),
		"mode":       oneOf("shadow: recorded, not done. canary: done for a share of the conversations.", "live", "shadow", "canary"),
		"canary":     formed("With mode: canary, the share of the conversations.", `^[0-9.]+ ?%$`),
		"notify_url": scalarOf("An endpoint of gateway.hcl that is told of each match."),
	}
}

// actionSchema is an entry of do: a mapping with one key.
func actionSchema() schema {
	s := object("", actionsSchema())
	s["minProperties"], s["maxProperties"] = 1, 1
	return s
}

// actionsSchema has the keys of actions.
func actionsSchema() schema {
	return schema{
		"send":          described(ref("message"), "A message to this customer, or with channel and to to another one."),
		"send_sms":      described(ref("message"), "A message on the service's SMS channel."),
		"send_rtm":      described(ref("message"), "A message in the app or on the web page."),
		"send_twitter":  described(ref("message"), "A direct message."),
		"send_wechat":   described(ref("message"), "A message on WeChat."),
		"send_facebook": described(ref("message"), "A message on Messenger."),
		"call":          callSchema(),
		"push": object("A push message to the customer's app.", schema{
			"title": scalarOf(""), "text": scalarOf(""), "data": tableOf("For the app.", ref("scalar")),
		}, "text"),
		"notify": object("Post to an endpoint.", schema{
			"endpoint": scalarOf("Its name in gateway.hcl."), "body": ref("body"),
		}, "endpoint"),
		"flow": anyOf("Begin a flow.", ref("scalar"), object("", schema{
			"name":   scalarOf("Of the flow."),
			"params": anyOf("Its parameters, or an expression that has them.", tableOf("", ref("scalar")), schema{"type": "string"}),
		}, "name")),
		"forward": oneOf("Who gets the customer's message.", "ccsp", "bot", "bot+ccsp", "none"),
		"close":   anyOf("End the chat.", schema{"type": "null"}, object("", schema{"reason": scalarOf("Told to the contact center.")})),
		"transfer": object("Hand the chat to others.", schema{
			"queue": scalarOf("As the contact center names it."), "agent": scalarOf("As the contact center names them."),
			"service": scalarOf("Close the chat; the next one opens there."),
		}),
		"control": anyOf("Who has the conversation. release: who has it gives it up.", oneOf("", release), object("", schema{
			"offer":  oneOf("This side may take it, and does so by its first word.", "ccsp", "bot"),
			"pass":   oneOf("This side has it from now on.", "ccsp", "bot"),
			"accept": oneOf("This side takes what it was offered.", "ccsp", "bot"),
			"reason": scalarOf("Told to that side."), "params": tableOf("Told to that side.", ref("scalar")),
		})),
		"tag": someOf("Tags of the conversation."),
		"set": schema{
			"type": "object", "additionalProperties": ref("scalar"), "propertyNames": setKeys(), "minProperties": 1,
			"description": "Attributes of the conversation; customer.name and so on: of the customer's profile.",
		},
		"emit": object("A custom event in this conversation.", schema{
			"event": scalarOf("Its name."), "params": tableOf("", ref("scalar")),
			"to": oneOf("vendor: to the contact center instead. channel: to where the customer is.", toVendor, toChannel),
		}, "event"),
	}
}

// messageSchema is a text, or a mapping with these keys and those of a message.
func messageSchema(description string, more schema) schema {
	keys := schema{
		"text":          scalarOf("With templates: {{ expression }}."),
		"attachments":   listOf("Files by their URL.", attachmentSchema()),
		"quick_replies": listOf("Answers to choose from.", replySchema()),
	}
	maps.Copy(keys, more)
	return anyOf(description, ref("scalar"), object("", keys))
}

func attachmentSchema() schema {
	return object("", schema{"url": scalarOf(""), "mime": scalarOf("Such as image/png."), "name": scalarOf("")}, "url")
}

func replySchema() schema {
	return anyOf("", ref("scalar"), object("", schema{
		"title": scalarOf("What the customer sees."), "payload": scalarOf("What comes back."),
	}, "title"))
}

func callSchema() schema {
	return object("A call that says or plays something.", schema{
		"to": scalarOf("A number; default: the profile's."), "channel": scalarOf("A channel of the type voice."),
		"say": scalarOf("What is said."), "text": scalarOf("The same as say."), "play": scalarOf("The URL of a recording."),
		"attachments":   listOf("Recordings by their URL.", attachmentSchema()),
		"quick_replies": listOf("Answers to choose from, by a digit.", replySchema()),
		"digits": schema{
			"type": "integer", "minimum": 0, "maximum": maxDigits, "description": "How many digits to wait for; default: the channel's setting.",
		},
	})
}

// elsewhere has the keys of a message that may go to somebody else.
func elsewhere() schema {
	return schema{
		"channel": scalarOf("Another channel, by name."),
		"to":      scalarOf("An address; default: the profile's of the channel's type."),
	}
}
