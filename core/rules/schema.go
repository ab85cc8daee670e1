package rules

import (
	"bytes"
	"encoding/json"
)

// schema is a part of a JSON Schema.
type schema = map[string]any

// Schema returns the JSON Schema (draft 2020-12) of a rule file, by which
// editors complete and check while somebody writes. It knows the form only: what
// expressions mean and whether names exist is for [Load] to say.
func Schema() []byte {
	whole := object("A rule file of the OpenCCSP gateway.", fileSchema())
	whole["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	whole["title"] = "Rule file"
	whole["$defs"] = schema{
		"rule":     object("When something happens and a condition holds, do something.", ruleSchema(), "name", "on", "do"),
		"action":   actionSchema(),
		"message":  messageSchema("A text with templates, or more than a text.", elsewhere()),
		"question": messageSchema("As message, to this customer.", nil),
		"body":     schema{"description": "JSON with templates in its texts. A text that is one {{ }} keeps its type."},
		"flow":     object("Steps with waits, begun by a rule.", flowSchema(), "name", "steps"),
		"step":     stepSchema(),
		"test":     object("Events and what the rules are to do about them.", testSchema(), "name", "events", "expect"),
		"type":     oneOf("The type of a value.", valueTypes...),
		"scalar":   schema{"type": []string{"string", "number", "boolean"}},
		"names":    anyOf("", ref("scalar"), schema{"type": "array", "items": ref("scalar"), "minItems": 1}),
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(whole) // maps of texts and lists cannot fail
	return b.Bytes()
}

func fileSchema() schema {
	return schema{
		"rules":      listOf("Looked at in the order of the files' paths, then of their places.", ref("rule")),
		"flows":      listOf("Conversations in steps; a rule begins one with the action flow.", ref("flow")),
		"tests":      listOf("What the rules are to do, run whenever they are loaded.", ref("test")),
		"let":        tableOf("Names for expressions. In _shared.yaml they are for all files.", ref("scalar")),
		"events":     tableOf("Custom events and their values; a name that ends with ? may be absent.", tableOf("", ref("type"))),
		"attributes": attributesSchema(),
		"texts":      tableOf("Texts in several languages, used as {{ texts.name }}.", tableOf("By language, such as en or de-CH. The first is the default.", ref("scalar"))),
	}
}

func attributesSchema() schema {
	return object("Attributes that are not just texts.", schema{
		"customer":     tableOf("Attributes of the profile.", ref("type")),
		"conversation": tableOf("Attributes that rules and the API set.", ref("type")),
	})
}

// object is a mapping with these keys and no others.
func object(description string, properties schema, required ...string) schema {
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return described(s, description)
}

// tableOf is a mapping of names of the author's own.
func tableOf(description string, of schema) schema {
	return described(schema{"type": "object", "additionalProperties": of}, description)
}

func listOf(description string, of schema) schema {
	return described(schema{"type": "array", "items": of}, description)
}

func scalarOf(description string) schema { return described(ref("scalar"), description) }

// someOf is one name or a list of them.
func someOf(description string) schema { return described(ref("names"), description) }

// formed is a text of a form.
func formed(description, form string) schema {
	return schema{"type": "string", "pattern": form, "description": description}
}

const durationForm = `^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$`

func oneOf(description string, values ...string) schema {
	return described(schema{"enum": values}, description)
}

func boolean(description string) schema { return described(schema{"type": "boolean"}, description) }

func anyOf(description string, of ...schema) schema {
	return described(schema{"anyOf": of}, description)
}

func ref(name string) schema { return schema{"$ref": "#/$defs/" + name} }

func described(s schema, description string) schema {
	if description != "" {
		s["description"] = description
	}
	return s
}
