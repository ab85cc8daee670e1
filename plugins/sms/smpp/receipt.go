package smpp

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// State is what became of a message.
type State uint8

// The states, as message_state has them.
const (
	Enroute       State = 1
	Delivered     State = 2
	Expired       State = 3
	Deleted       State = 4
	Undeliverable State = 5
	Accepted      State = 6
	Unknown       State = 7
	Rejected      State = 8
)

// Final says that no other state follows.
func (s State) Final() bool { return s != 0 && s != Enroute && s != Accepted }

// String returns the word that receipts have for it.
func (s State) String() string {
	if int(s) < len(stateWords()) {
		return stateWords()[s]
	}
	return ""
}

func stateWords() []string {
	return []string{"", "ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD"}
}

// Receipt is a delivery receipt. Everything may be absent.
type Receipt struct {
	ID    string
	State State
	Code  string // the SMSC's or the network's own, "" if none
	Done  time.Time
}

// Receipt reads the receipt in m: its parameters where it has them, else its text;
// standard is the SMSC's own alphabet. Times in texts are the SMSC's local ones, in zone.
func (m Message) Receipt(standard Alphabet, zone *time.Location) Receipt {
	r := parseReceipt(m.receiptText(standard), zone)
	if id := m.TLVs.Text(TagReceiptedMessageID); id != "" {
		r.ID = id
	}
	if s, ok := m.TLVs.Octet(TagMessageState); ok && s > 0 && s <= uint8(Rejected) {
		r.State = State(s)
	}
	if v, ok := m.TLVs.Get(TagNetworkErrorCode); ok && len(v) == 3 && r.Code == "" {
		r.Code = networkCode(v)
	}
	if m.ESMClass&ESMTypeMask == ESMIntermediate && r.State == 0 {
		r.State = Enroute
	}
	return r
}

// receiptText is what comes before the customer's words. A center writes it in ASCII,
// whatever it says of the alphabet: an id may have a letter that is another one there.
func (m Message) receiptText(standard Alphabet) string {
	text := string(beforeWords(m.Octets))
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		text = string(beforeWords([]byte(AlphabetOf(m.Coding, standard).Decode(m.Octets, m.Header))))
	}
	return text
}

// beforeWords cuts what is after "text:".
func beforeWords(b []byte) []byte {
	if i := receiptWords.FindIndex(b); i != nil {
		return b[:i[0]]
	}
	return b
}

var receiptWords = regexp.MustCompile(`(?i)text:`)

// receiptField finds "word:value" in a receipt; "submit date" and "done date" have
// a space.
var receiptField = regexp.MustCompile(`(?i)\b(id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|err):[ ]?([^\s]*)`)

// parseReceipt reads the text of appendix B, whatever the order of its words and
// however much of it there is.
func parseReceipt(text string, zone *time.Location) (r Receipt) {
	for _, m := range receiptField.FindAllStringSubmatch(text, -1) {
		switch word, value := strings.ToLower(m[1]), m[2]; {
		case word == "id" && r.ID == "":
			r.ID = value
		case word == "stat" && r.State == 0:
			r.State = stateOf(value)
		case word == "err":
			if strings.Trim(value, "0") != "" {
				r.Code = value
			}
		case strings.HasPrefix(word, "done"):
			r.Done = receiptTime(value, zone)
		}
	}
	return r
}

// stateOf reads a word of a receipt; some are cut or written out.
func stateOf(word string) State {
	word = strings.ToUpper(word)
	for i, known := range stateWords() {
		if known != "" && (word == known || len(word) >= 4 && strings.HasPrefix(known, word)) {
			return State(i)
		}
	}
	for prefix, s := range map[string]State{"DELIV": Delivered, "UNDEL": Undeliverable, "ACCEP": Accepted, "REJEC": Rejected, "FAILED": Undeliverable} {
		if strings.HasPrefix(word, prefix) {
			return s
		}
	}
	return 0
}

// receiptTime reads YYMMDDhhmm, or with seconds.
func receiptTime(s string, zone *time.Location) time.Time {
	layout := "0601021504"
	if len(s) == 12 {
		layout = "060102150405"
	}
	t, err := time.ParseInLocation(layout, s, zone)
	if err != nil {
		return time.Time{}
	}
	return t
}

// networkCode reads network_error_code: the kind of network and its error.
func networkCode(v []byte) string {
	return fmt.Sprintf("%d:%d", v[0], uint16(v[1])<<8|uint16(v[2]))
}
