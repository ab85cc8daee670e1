package twilio

import (
	"encoding/xml"
	"fmt"
)

// MaxInline is the longest TwiML that a call may bring along, in characters.
const MaxInline = 4000

// Verb is one thing that a call does: Say, Play, Pause, Gather, Hangup, Reject.
type Verb interface{ verb() }

// Say has a text read out.
type Say struct {
	XMLName  xml.Name `xml:"Say"`
	Voice    string   `xml:"voice,attr,omitempty"`    // such as alice or Polly.Vicki; "": Twilio's own
	Language string   `xml:"language,attr,omitempty"` // BCP 47
	Text     string   `xml:",chardata"`
}

// Play has a recording played.
type Play struct {
	XMLName xml.Name `xml:"Play"`
	URL     string   `xml:",chardata"`
}

// Pause waits.
type Pause struct {
	XMLName xml.Name `xml:"Pause"`
	Seconds int      `xml:"length,attr"`
}

// Gather waits for digits while its verbs say what for, and posts them to Action.
// If none come the document goes on after it.
type Gather struct {
	XMLName   xml.Name `xml:"Gather"`
	Input     string   `xml:"input,attr"` // dtmf
	NumDigits int      `xml:"numDigits,attr"`
	Timeout   int      `xml:"timeout,attr"` // seconds after the last verb or digit
	Action    string   `xml:"action,attr"`
	Method    string   `xml:"method,attr"`
	Verbs     []Verb
}

// Hangup ends the call.
type Hangup struct {
	XMLName xml.Name `xml:"Hangup"`
}

// Reject does not answer a call.
type Reject struct {
	XMLName xml.Name `xml:"Reject"`
	Reason  string   `xml:"reason,attr"` // busy, rejected
}

func (Say) verb()    {}
func (Play) verb()   {}
func (Pause) verb()  {}
func (Gather) verb() {}
func (Hangup) verb() {}
func (Reject) verb() {}

// TwiML is the document that has the verbs done, one after the other.
func TwiML(verbs ...Verb) (string, error) {
	doc := struct {
		XMLName xml.Name `xml:"Response"`
		Verbs   []Verb
	}{Verbs: verbs}
	b, err := xml.Marshal(doc)
	if err != nil {
		return "", fmt.Errorf("TwiML: %w", err)
	}
	return xml.Header + string(b), nil
}
