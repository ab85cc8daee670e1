package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/internal/twilio"
	"github.com/openccsp/gateway/sdk"
)

// Send implements sdk.Channel.
func (p *twilioProvider) Send(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	form, err := p.form(to, m)
	if err != nil {
		return sdk.Receipt{}, err
	}
	r, err := p.client.Create(ctx, "Messages", form)
	if err != nil {
		return sdk.Receipt{}, err
	}
	return sdk.Receipt{MessageID: r.SID}, nil
}

// form is what Twilio is asked to send.
func (p *twilioProvider) form(to sdk.Customer, m sdk.Message) (url.Values, error) {
	number := twilio.Number(to.Address)
	if number == "" {
		return nil, fmt.Errorf("%w: the address is no phone number", sdk.ErrRecipientGone)
	}
	form := url.Values{"To": {number}, "ValidityPeriod": {strconv.Itoa(int(p.validity.Seconds()))}}
	if p.settings.MessagingServiceSID != "" {
		form.Set("MessagingServiceSid", p.settings.MessagingServiceSID)
	}
	if p.settings.From != "" {
		form.Set("From", p.settings.sendsFrom())
	}
	if hook := p.host.PublicURL(); hook != "" {
		form.Set("StatusCallback", p.settings.Callback(hook+twilioPathStatus+"?"+twilioReceiptQuery(m.ID, to.Address)))
	}
	text, files, err := p.content(m)
	if err != nil {
		return nil, err
	}
	if text != "" {
		form.Set("Body", text)
	}
	if len(files) > 0 {
		form["MediaUrl"] = files
	}
	return form, nil
}

// content is the text of a message, and where its files are.
func (p *twilioProvider) content(m sdk.Message) (text string, files []string, err error) {
	var b strings.Builder
	ccsp.AddLine(&b, m.Text)
	for _, a := range m.Attachments {
		if a.URL == "" {
			return "", nil, sdk.Rejected("no_link", "a file has no address; set public_url")
		}
		ccsp.AddLine(&b, a.Caption)
		if p.settings.Media == twilioMediaLink {
			ccsp.AddLine(&b, a.URL)
		} else {
			files = append(files, a.URL)
		}
	}
	ccsp.AddLine(&b, m.URLPush)
	text = b.String()
	switch {
	case len(files) > twilioFiles:
		return "", nil, sdk.Rejected("too_many_files", fmt.Sprintf("%d; Twilio takes %d", len(files), twilioFiles))
	case !ccsp.Fits(text, sdk.TextLimit{Limit: twilioText, Unit: sdk.UTF16}):
		return "", nil, sdk.Rejected("too_long", fmt.Sprintf("more than %d characters", twilioText))
	case strings.TrimSpace(text) == "" && len(files) == 0:
		return "", nil, sdk.Rejected("empty", "there is no text")
	}
	return text, files, nil
}
