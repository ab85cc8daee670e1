package rules

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/types"
	"golang.org/x/text/language"
)

const textPath = "texts."

// translation is a text in one language.
type translation struct {
	tag  string // BCP 47, in lower case
	text *template
}

// localized is a text in several languages, in the order they are written.
type localized []translation

func (d *declarer) readTexts(p pair, c *compilation) {
	pairs, _ := d.src.mapping(p.value, "texts")
	for _, q := range pairs {
		if !letName.MatchString(q.key) {
			d.src.problem(q.pos, "use letters, digits and _", "%q cannot be a name in expressions", q.key)
			continue
		}
		all := d.readText(q, c)
		if d.take("text", q.key, q.pos) && len(all) > 0 {
			d.texts = append(d.texts, textField(q.key, all, c.locales))
		}
	}
}

// readText reads the languages of one text. Its templates see what all events
// have.
func (d *declarer) readText(p pair, c *compilation) (all localized) {
	pairs, ok := d.src.mapping(p.value, "a text")
	if ok && len(pairs) == 0 {
		d.src.problem(d.src.pos(p.value), "", "the text %q has no languages", p.key)
	}
	for _, q := range pairs {
		tag := localeTag(q.key)
		if _, err := language.Parse(q.key); err != nil {
			d.src.problem(q.pos, "write one such as en or de-CH", "%q is not a language", q.key)
		}
		if slices.ContainsFunc(all, func(t translation) bool { return t.tag == tag }) {
			d.src.problem(q.pos, "", "the language %q stands there already", q.key)
			continue
		}
		sc, ok := d.src.scalar(q.value, "a text")
		if !ok {
			continue
		}
		t := c.template(sc, c.scope(nil, nil))
		if t.blank() {
			d.src.problem(sc.pos, "", "the text is empty")
		}
		all = append(all, translation{tag, t})
	}
	return all
}

// textField is what texts.name stands for: the text in the customer's
// language, in that of the service, or else the first one. locales are those
// of the services.
func textField(name string, all localized, locales map[string]string) *field {
	return &field{textPath + name, types.String, false, func(e *env) any {
		own := localeTag(e.view.GetCustomer().GetLocale())
		s, err := all.choose(own, localeTag(locales[e.view.GetService()])).text(e.evaluator)
		if err != nil {
			return err // the program that needs it fails with this
		}
		return s
	}}
}

// choose returns the text for the first of the locales that there is one for:
// for de-ch, then for de.
func (l localized) choose(locales ...string) *template {
	for _, tag := range locales {
		for tag != "" {
			if i := slices.IndexFunc(l, func(t translation) bool { return t.tag == tag }); i >= 0 {
				return l[i].text
			}
			tag = tag[:max(strings.LastIndexByte(tag, '-'), 0)]
		}
	}
	return l[0].text
}

// localeTag brings what platforms write, such as de_CH, into one form.
func localeTag(s string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimSpace(s), "_", "-"))
}
