package twilio

import (
	"regexp"
	"strings"
)

var (
	digits    = regexp.MustCompile(`^[0-9]{7,15}$`)
	separator = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "", "/", "")
	number    = regexp.MustCompile(`^(\+?[0-9]{3,15}|[a-z]{1,20}:\S{1,200})$`)
)

// Number writes a phone number as Twilio wants it, with a plus and no signs
// between its digits. Short codes, and addresses with a scheme such as whatsapp:,
// stay as they are. It is "" if text is none of these.
func Number(text string) string {
	n := text
	if !strings.Contains(text, ":") {
		n = separator.Replace(text)
	}
	if digits.MatchString(n) {
		n = "+" + n
	}
	if !number.MatchString(n) {
		return ""
	}
	return n
}
