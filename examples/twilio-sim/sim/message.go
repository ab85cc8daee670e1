package sim

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf16"
)

// Message is one that was sent through the account.
type Message struct {
	SID      string   `json:"sid"`
	From     string   `json:"from"`
	To       string   `json:"to"`
	Body     string   `json:"body"`
	Media    []string `json:"media,omitempty"`
	Fetched  []string `json:"fetched,omitempty"` // what the media are: MIME type and size
	Status   string   `json:"status"`
	Callback string   `json:"status_callback"`
	Told     []string `json:"told,omitempty"` // callbacks that were answered as they should be
}

const maxText, maxMedia = 1600, 10

var messageParams = []string{"To", "From", "MessagingServiceSid", "Body", "ContentSid", "ContentVariables", "StatusCallback",
	"ValidityPeriod", "ProvideFeedback", "MaxPrice", "Attempt", "SmartEncoded", "ShortenUrls", "ScheduleType", "SendAt",
	"SendAsMms", "RiskCheck", "FallbackFrom", "ContentRetention", "AddressRetention"}

func (s *Sim) checkMessage(f url.Values) *refusal {
	return first(
		known(f, messageParams, "MediaUrl"),
		s.to(f, 21211),
		checkFrom(f),
		checkBody(f),
		within(f, "ValidityPeriod", 1, 36000),
		s.callback(f, "StatusCallback", 21609),
		s.checkMedia(f["MediaUrl"]),
	)
}

func checkFrom(f url.Values) *refusal {
	from := f.Get("From")
	switch {
	case from == "" && f.Get("MessagingServiceSid") == "":
		return bad(21603, "A 'From' phone number is required")
	case from == "+15005550007":
		return &refusal{http.StatusBadRequest, 21606, "The 'From' phone number is not SMS-capable", false}
	case from != "" && !e164.MatchString(from) && !short.MatchString(from) && !alpha.MatchString(from) && !schema.MatchString(from):
		return bad(21212, "The 'From' number is not a valid phone number")
	}
	return nil
}

func checkBody(f url.Values) *refusal {
	switch n := len(utf16.Encode([]rune(f.Get("Body")))); {
	case n > maxText:
		return bad(21617, "The concatenated message body exceeds the 1600 character limit")
	case n == 0 && len(f["MediaUrl"]) == 0 && f.Get("ContentSid") == "":
		return bad(21602, "Message body is required")
	}
	return nil
}

func (s *Sim) checkMedia(urls []string) *refusal {
	if len(urls) > maxMedia {
		return bad(21623, "Number of media files exceeds allowed limit")
	}
	for _, u := range urls {
		if no := s.callback(url.Values{"MediaUrl": {u}}, "MediaUrl", 21620); no != nil {
			return no
		}
	}
	return nil
}

func (s *Sim) createMessage(w http.ResponseWriter, r *http.Request) {
	f := s.create(w, r, s.checkMessage)
	if f == nil {
		return
	}
	s.wire(false, "POST "+r.URL.Path+shown(f))
	m := &Message{SID: newSID("SM"), From: f.Get("From"), To: f.Get("To"), Body: f.Get("Body"), Media: f["MediaUrl"],
		Status: "queued", Callback: f.Get("StatusCallback")}
	if len(m.Media) > 0 {
		m.SID = newSID("MM")
	}
	status := "queued"
	if m.From == "" {
		m.From, status = "+15005550006", "accepted"
	}
	s.mu.Lock()
	s.messages = keep(s.messages, m)
	s.touch()
	s.mu.Unlock()
	// As an API does, it answers before anything else happens.
	answer(w, http.StatusCreated, map[string]any{
		"sid": m.SID, "account_sid": s.opts.AccountSID, "to": m.To, "from": m.From, "body": m.Body, "status": status,
		"num_segments": "1", "num_media": itoa(len(m.Media)), "direction": "outbound-api", "error_code": nil, "error_message": nil,
		"api_version": apiVersion, "uri": r.URL.Path,
	})
	s.work.Go(func() { s.deliver(m) })
}

// deliver lets a message go its way.
func (s *Sim) deliver(m *Message) {
	f := s.fateOf(m.To, "delivered")
	for _, u := range m.Media {
		got, ok := s.fetch(u)
		if !ok {
			s.breach("a media file cannot be fetched")
			f = Fate{Status: "undelivered", Code: "30008"}
		}
		s.change(func() { m.Fetched = append(m.Fetched, got) })
	}
	steps := []string{"sending", "sent", f.Status}
	if f.Status == "read" {
		steps = []string{"sent", "delivered", "read"}
	}
	s.change(func() { m.Status = f.Status })
	if m.Callback == "" {
		return
	}
	for _, told := range s.scrambled(steps) {
		form := url.Values{"MessageSid": {m.SID}, "SmsSid": {m.SID}, "MessageStatus": {told}, "SmsStatus": {told},
			"To": {m.To}, "From": {m.From}, "AccountSid": {s.opts.AccountSID}, "ApiVersion": {apiVersion}}
		if told == f.Status && f.Code != "" {
			form.Set("ErrorCode", f.Code)
		}
		if s.told(m.Callback, form) {
			s.change(func() { m.Told = append(m.Told, told) })
		}
	}
}

// scrambled are the steps as they are told: in order and once, unless it is to be
// otherwise.
func (s *Sim) scrambled(steps []string) []string {
	steps = slices.Clone(steps)
	if s.opts.Disorder {
		slices.Reverse(steps)
	}
	if s.opts.Duplicate {
		twice := make([]string, 0, 2*len(steps))
		for _, step := range steps {
			twice = append(twice, step, step)
		}
		steps = twice
	}
	return steps
}

func (s *Sim) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.touch()
}

// Messages returns those that were sent.
func (s *Sim) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Message, 0, len(s.messages))
	for _, m := range s.messages {
		c := *m
		c.Fetched, c.Told = slices.Clone(m.Fetched), slices.Clone(m.Told)
		out = append(out, c)
	}
	return out
}

// Receive is a customer who writes to one of the numbers: it posts the message to
// the hook. The error says that the hook did not take it.
func (s *Sim) Receive(from, to, body string, media ...Media) error {
	sid := newSID("SM")
	if len(media) > 0 {
		sid = newSID("MM")
	}
	form := url.Values{"MessageSid": {sid}, "SmsSid": {sid}, "SmsMessageSid": {sid}, "AccountSid": {s.opts.AccountSID},
		"From": {from}, "To": {to}, "Body": {body}, "NumMedia": {itoa(len(media))}, "NumSegments": {"1"},
		"ApiVersion": {apiVersion}, "FromCountry": {"GB"}, "SmsStatus": {"received"}}
	for i, m := range media {
		form.Set("MediaUrl"+itoa(i), s.addMedia(sid, m))
		form.Set("MediaContentType"+itoa(i), m.MIME)
	}
	switch word := strings.ToUpper(strings.TrimSpace(body)); word {
	case "STOP", "START", "HELP":
		form.Set("OptOutType", word)
		s.mu.Lock()
		s.stopped[from] = word == "STOP" || word == "HELP" && s.stopped[from]
		s.mu.Unlock()
	}
	s.mu.Lock()
	hook := s.hook
	s.mu.Unlock()
	_, err := s.post(hook, form)
	if err == nil && s.opts.Duplicate {
		_, err = s.post(hook, form)
	}
	return err
}
