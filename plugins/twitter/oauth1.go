package main

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // OAuth 1.0a has no other
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// signer signs calls by OAuth 1.0a (RFC 5849) with HMAC-SHA1.
type signer struct {
	consumerKey, consumerSecret string
	token, tokenSecret          string
	now                         func() time.Time
	nonce                       func() string
}

// header returns the Authorization header of a call. form is its body if that is
// urlencoded; bodies of other kinds are not signed.
func (s signer) header(method string, u *url.URL, form url.Values) string {
	oauth := [][2]string{
		{"oauth_consumer_key", s.consumerKey},
		{"oauth_nonce", s.nonce()},
		{"oauth_signature_method", "HMAC-SHA1"},
		{"oauth_timestamp", strconv.FormatInt(s.now().Unix(), 10)},
		{"oauth_token", s.token},
		{"oauth_version", "1.0"},
	}
	oauth = append(oauth, [2]string{"oauth_signature", s.signature(method, u, form, oauth)})
	fields := make([]string, len(oauth))
	for i, kv := range oauth {
		fields[i] = fmt.Sprintf(`%s="%s"`, escape(kv[0]), escape(kv[1]))
	}
	return "OAuth " + strings.Join(fields, ", ")
}

func (s signer) signature(method string, u *url.URL, form url.Values, oauth [][2]string) string {
	var params [][2]string
	for _, kv := range oauth {
		params = append(params, [2]string{escape(kv[0]), escape(kv[1])})
	}
	for _, values := range []url.Values{u.Query(), form} {
		for k, vs := range values {
			for _, v := range vs {
				params = append(params, [2]string{escape(k), escape(v)})
			}
		}
	}
	slices.SortFunc(params, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	pairs := make([]string, len(params))
	for i, kv := range params {
		pairs[i] = kv[0] + "=" + kv[1]
	}
	base := strings.ToUpper(method) + "&" + escape(baseURL(u)) + "&" + escape(strings.Join(pairs, "&"))
	mac := hmac.New(sha1.New, []byte(escape(s.consumerSecret)+"&"+escape(s.tokenSecret)))
	_, _ = mac.Write([]byte(base)) // it never fails
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// baseURL is u without query, and without a port that goes without saying.
func baseURL(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	return strings.ToLower(u.Scheme) + "://" + host + cmp.Or(u.EscapedPath(), "/")
}

// escape encodes as RFC 3986 has it: all but letters, digits and -._~.
func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}
