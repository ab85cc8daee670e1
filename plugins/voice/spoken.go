package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// part is one thing that a call says, or plays.
type part struct {
	text string
	file *sdk.Attachment // nil: text is said
}

// spoken is what a call says and plays, in order: the text, the recordings, the
// choices.
func spoken(m sdk.Message, choice string) (parts []part, err error) {
	if !ccsp.Fits(m.Text, sdk.TextLimit{Limit: maxSaid, Unit: sdk.UTF16}) {
		return nil, sdk.Rejected("too_long", fmt.Sprintf("more than %d characters", maxSaid))
	}
	say := func(text string) {
		if strings.TrimSpace(text) != "" {
			parts = append(parts, part{text: text})
		}
	}
	say(m.Text)
	for i := range m.Attachments {
		parts = append(parts, part{file: &m.Attachments[i]})
	}
	if len(parts) == 0 {
		return nil, sdk.Rejected("empty", "there is nothing to say or to play")
	}
	if len(m.QuickReplies) > maxChoices {
		return nil, sdk.Rejected("too_many_choices", fmt.Sprintf("%d; a phone has %d", len(m.QuickReplies), maxChoices))
	}
	for i, q := range m.QuickReplies {
		say(strings.NewReplacer("{digit}", strconv.Itoa(i+1), "{title}", q.Title).Replace(choice))
	}
	return parts, nil
}

// digitsOf is how many digits the call waits for: those of a choice, of the
// message's extras, of the settings.
func digitsOf(m sdk.Message, settings int) (int, error) {
	if len(m.QuickReplies) > 0 {
		return 1, nil
	}
	text, set := m.Extras[sdk.WaitDigits]
	if !set {
		return settings, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxDigits {
		return 0, sdk.Rejected("digits", fmt.Sprintf("the extra digits is not a number from 0 to %d", maxDigits))
	}
	return n, nil
}
