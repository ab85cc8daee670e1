package sim

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // OAuth 1.0a has no other
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"
)

// skew is how far a timestamp may be from now.
const skew = 5 * time.Minute

// rfc3986 is what net/url calls a path segment, and the few characters that it
// leaves alone.
func rfc3986(s string) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(s))
}

// checkOAuth1 returns why a call's signature is not right, "" if it is.
func (s *Sim) checkOAuth1(r *http.Request, form url.Values) string {
	fields := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(r.Header.Get("Authorization"), "OAuth "), ",") {
		k, quoted, ok := strings.Cut(strings.TrimSpace(part), "=")
		v, err := strconv.Unquote(quoted)
		if !ok || err != nil {
			return fmt.Sprintf("the header is malformed at %q", part)
		}
		if _, twice := fields[k]; twice {
			return "the header has " + k + " twice"
		}
		if fields[k], err = url.PathUnescape(v); err != nil {
			return "the header's " + k + " is not encoded"
		}
	}
	at, err := strconv.ParseInt(fields["oauth_timestamp"], 10, 64)
	if d := s.opts.Now().Sub(time.Unix(at, 0)); err != nil || d > skew || d < -skew {
		return "the timestamp is out of bounds"
	}
	for k, want := range map[string]string{"oauth_consumer_key": s.opts.ConsumerKey, "oauth_token": s.opts.AccessToken,
		"oauth_signature_method": "HMAC-SHA1", "oauth_version": "1.0"} {
		if fields[k] != want {
			return "the header's " + k + " is another"
		}
	}
	if !s.fresh(fields["oauth_nonce"] + fields["oauth_timestamp"]) {
		return "the nonce has been used"
	}
	given := fields["oauth_signature"]
	delete(fields, "oauth_signature")
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	if !hmac.Equal([]byte(given), []byte(s.signature1(r.Method, scheme+r.Host+r.URL.EscapedPath(), fields, r.URL.Query(), form))) {
		return "the signature does not fit"
	}
	return ""
}

func (s *Sim) signature1(method, address string, oauth map[string]string, query, form url.Values) string {
	var pairs []string
	for k, v := range oauth {
		pairs = append(pairs, rfc3986(k)+"\x00"+rfc3986(v))
	}
	for _, values := range []url.Values{query, form} {
		for k := range values {
			for _, v := range values[k] {
				pairs = append(pairs, rfc3986(k)+"\x00"+rfc3986(v))
			}
		}
	}
	sort.Strings(pairs) // a NUL is below all that they consist of
	params := strings.ReplaceAll(strings.Join(pairs, "&"), "\x00", "=")
	mac := hmac.New(sha1.New, []byte(rfc3986(s.opts.ConsumerSecret)+"&"+rfc3986(s.opts.AccessTokenSecret)))
	_, _ = fmt.Fprintf(mac, "%s&%s&%s", method, rfc3986(address), rfc3986(params)) // it never fails
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (s *Sim) fresh(nonce string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nonces[nonce] {
		return false
	}
	s.nonces[nonce] = true
	return true
}
