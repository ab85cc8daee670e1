package sim

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's choice
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// signature is Twilio's, of a form that is posted to address.
func (s *Sim) signature(address string, form url.Values) string {
	var b strings.Builder
	b.WriteString(address)
	for _, name := range slices.Sorted(keys(form)) {
		for _, v := range slices.Compact(slices.Sorted(slices.Values(form[name]))) {
			b.WriteString(name + v)
		}
	}
	mac := hmac.New(sha1.New, []byte(s.opts.AuthToken))
	_, _ = mac.Write([]byte(b.String()))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// post posts a form to the gateway, and returns the TwiML of the answer.
func (s *Sim) post(address string, form url.Values) (string, error) {
	if address == "" {
		return "", errors.New("no hook is set")
	}
	s.wire(true, "POST "+address+shown(form))
	r, err := http.NewRequestWithContext(s.ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	r.Header.Set("User-Agent", "TwilioProxy/1.1")
	signed, _, _ := strings.Cut(address, "#")
	if s.opts.SignFragment {
		signed = address
	}
	r.Header.Set("X-Twilio-Signature", s.signature(signed, form))
	r.Header.Set("I-Twilio-Idempotency-Token", s.token(form))
	res, err := s.client.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return "", err
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case res.StatusCode != http.StatusOK:
		return "", fmt.Errorf("the hook answers %s: %.200s", res.Status, b)
	case kind != "text/xml" && kind != "application/xml":
		s.breach("12300 the answer is no XML")
		return "", fmt.Errorf("the hook answers %q", kind)
	}
	s.wire(false, strings.TrimSpace(string(b)))
	return string(b), nil
}

// token is the same for each repetition of a request.
func (s *Sim) token(form url.Values) string {
	mac := hmac.New(sha1.New, []byte("token"))
	_, _ = mac.Write([]byte(form.Encode()))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// told posts a status callback, and reports whether it was taken.
func (s *Sim) told(address string, form url.Values) bool {
	_, err := s.post(address, form)
	if err != nil && s.ctx.Err() == nil {
		s.opts.Log.Info("a callback was not taken", "err", err)
	}
	return err == nil
}
