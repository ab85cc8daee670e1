package twilio

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's choice; as an HMAC it holds
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Sign returns the X-Twilio-Signature of a form that is posted to address: an
// HMAC of the address as it is and of all parameters, sorted by name. Of several
// values of one name each counts once, sorted. A request with another body has
// no parameters; its address has the digest of the body in bodySHA256.
func Sign(token, address string, form url.Values) string {
	return base64.StdEncoding.EncodeToString(sum(token, address, form))
}

func sum(token, address string, form url.Values) []byte {
	mac := hmac.New(sha1.New, []byte(token))
	_, _ = mac.Write([]byte(address))
	for _, name := range slices.Sorted(maps.Keys(form)) {
		values := slices.Clone(form[name])
		slices.Sort(values)
		for _, v := range slices.Compact(values) {
			_, _ = mac.Write([]byte(name + v))
		}
	}
	return mac.Sum(nil)
}

// signed reports whether signature is that of the request. Some servers and
// proxies show the standard port of an address and some do not, and Twilio signs
// either; an odd port may be missing, too. Options are what may stand in the fragment
// of the address, which is not sent.
func signed(token, signature, address, options string, form url.Values) bool {
	got, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || len(got) != sha1.Size || base64.StdEncoding.EncodeToString(got) != signature {
		return false
	}
	ok := 0
	for _, a := range []string{address, withoutPort(address), withPort(address)} {
		ok |= subtle.ConstantTimeCompare(got, sum(token, a, form))
		if options != "" {
			ok |= subtle.ConstantTimeCompare(got, sum(token, a+"#"+options, form))
		}
	}
	return ok == 1
}

// hashed reports whether bodySHA256 in the query is the digest of body.
func hashed(query string, body []byte) bool {
	q, err := url.ParseQuery(query)
	if err != nil || len(q["bodySHA256"]) != 1 {
		return false
	}
	want := sha256.Sum256(body)
	got, err := hex.DecodeString(q.Get("bodySHA256"))
	return err == nil && subtle.ConstantTimeCompare(got, want[:]) == 1
}

// splitPort takes an address apart around its port, such as ":8443", and changes
// nothing in it: the signature is of its very bytes.
func splitPort(address string) (before, port, after string) {
	_, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address, "", ""
	}
	start := len(address) - len(rest)
	end := len(address)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = start + i
	}
	host := address[start:end]
	colon := strings.LastIndexByte(host, ':')
	if colon < 0 || colon < strings.LastIndexByte(host, ']') {
		return address[:end], "", address[end:]
	}
	return address[:start+colon], host[colon:], address[end:]
}

func withoutPort(address string) string {
	before, _, after := splitPort(address)
	return before + after
}

func withPort(address string) string {
	before, port, after := splitPort(address)
	switch {
	case port != "":
		return address
	case strings.HasPrefix(strings.ToLower(address), "https://"):
		return before + ":443" + after
	}
	return before + ":80" + after
}
