package sim

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// verb is an element of TwiML.
type verb struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Verbs   []verb     `xml:",any"`
}

func (v verb) attr(name string) string {
	for _, a := range v.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// verbs are those that this account's phones can do, and their attributes.
var verbs = map[string][]string{
	"Say": {"voice", "language", "loop"}, "Play": {"loop", "digits"}, "Pause": {"length"}, "Hangup": {}, "Reject": {"reason"},
	"Gather": {"input", "numDigits", "timeout", "action", "method", "finishOnKey", "actionOnEmptyResult"},
}

const maxSaid = 4096

// parseTwiML reads a document, and is strict.
func parseTwiML(text string) (verb, error) {
	var doc verb
	d := xml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&doc); err != nil {
		return doc, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return doc, errors.New("something follows the document")
	}
	if doc.XMLName.Local != "Response" || strings.TrimSpace(doc.Text) != "" {
		return doc, errors.New("the document is no Response")
	}
	return doc, checkVerbs(doc.Verbs, false)
}

func checkVerbs(list []verb, gathering bool) error {
	for _, v := range list {
		name := v.XMLName.Local
		attrs, ok := verbs[name]
		if !ok || gathering && name != "Say" && name != "Play" && name != "Pause" {
			return fmt.Errorf("there is no <%s> here", name)
		}
		for _, a := range v.Attrs {
			if !slices.Contains(attrs, a.Name.Local) {
				return fmt.Errorf("<%s> has no attribute %s", name, a.Name.Local)
			}
		}
		if name != "Gather" && len(v.Verbs) > 0 {
			return fmt.Errorf("<%s> takes nothing inside", name)
		}
		text := strings.TrimSpace(v.Text)
		if (name == "Say" || name == "Play") && text == "" || utf8.RuneCountInString(text) > maxSaid {
			return fmt.Errorf("<%s> has no text, or too much", name)
		}
		if err := checkVerbs(v.Verbs, name == "Gather"); err != nil {
			return err
		}
	}
	return nil
}

// phone does what TwiML says.
type phone struct {
	sim   *Sim
	call  *Call
	press string
}

// do does verbs, and returns the document that replaces what is left of them.
func (p *phone) do(list []verb) string {
	for _, v := range list {
		switch v.XMLName.Local {
		case "Say":
			p.did("say " + strings.TrimSpace(v.attr("language")+" "+v.attr("voice")) + ": " + strings.TrimSpace(v.Text))
		case "Play":
			got, ok := p.sim.fetch(strings.TrimSpace(v.Text))
			if !ok {
				p.sim.breach("a recording cannot be fetched")
			}
			p.did("play " + got)
		case "Gather":
			p.do(v.Verbs)
			if next, ok := p.gather(v); ok {
				return next
			}
		case "Hangup", "Reject":
			p.did("hang up")
			return ""
		}
	}
	return ""
}

func (p *phone) did(what string) {
	p.sim.change(func() { p.call.Did = append(p.call.Did, what) })
}

// gather presses as many digits as are asked for, and returns what follows; not
// ok: none were pressed.
func (p *phone) gather(v verb) (string, bool) {
	n := len(p.press)
	if want := v.attr("numDigits"); want != "" && want != itoa(n) && n > 0 {
		_, _ = fmt.Sscan(want, &n)
	}
	digits := p.press[:min(max(n, 0), len(p.press))]
	p.press = p.press[len(digits):]
	if digits == "" {
		return "", false
	}
	p.sim.change(func() { p.call.Pressed += digits })
	form := p.sim.callForm(p.call, "in-progress")
	form.Set("Digits", digits)
	form.Set("msg", "Gather End")
	form.Set("FinishedOnKey", "")
	if m := v.attr("method"); m != "" && m != http.MethodPost {
		p.sim.breach("this account posts")
	}
	twiml, err := p.sim.post(v.attr("action"), form)
	if err != nil {
		p.sim.breach("11200 the action of Gather: " + err.Error())
	}
	if err == nil && p.sim.opts.Duplicate {
		_, _ = p.sim.post(v.attr("action"), form)
	}
	return twiml, true
}
