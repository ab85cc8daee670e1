package sim

import (
	"cmp"
	"encoding/base32"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	listedFor = 30 * 24 * time.Hour
	maxPage   = 100
	dmReads   = 15 // lists in 15 minutes
)

// listed is a message in the account's list, whether a webhook told of it or not.
type listed struct {
	number       int64
	at           time.Time
	from         string
	conversation string
	text         string
	links        []any
	file         string
	fileURL      string
}

// note puts a message into the list. The caller holds s.mu.
func (s *Sim) note(l listed, id, to, group string) {
	l.number, _ = strconv.ParseInt(id, 10, 64) // those of X are numbers
	l.at = s.opts.Now()
	pair := []string{l.from, to}
	slices.SortFunc(pair, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	l.conversation = cmp.Or(group, strings.Join(pair, "-"))
	s.list = append(s.list, l)
}

var (
	listFields     = []string{"id", "text", "event_type", "created_at", "dm_conversation_id", "sender_id", "participant_ids", "attachments", "entities", "referenced_tweets"}
	listExpansions = []string{"sender_id", "participant_ids", "attachments.media_keys", "referenced_tweets.id"}
	listParameters = []string{"max_results", "pagination_token", "event_types", "dm_event.fields", "expansions", "user.fields", "media.fields", "tweet.fields"}

	tokenCode = base32.HexEncoding.WithPadding(base32.NoPadding)
)

// messages lists what the account has written and got, the newest first.
func (s *Sim) messages(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.user(w, r, nil); !ok {
		return
	}
	q := r.URL.Query()
	size, err := strconv.Atoi(cmp.Or(q.Get("max_results"), "100"))
	why := ""
	if err != nil || size < 1 || size > maxPage {
		why = "max_results is " + q.Get("max_results")
	}
	for name := range q {
		if !slices.Contains(listParameters, name) {
			why = "unknown parameter " + name
		}
	}
	fields, expansions := words(q.Get("dm_event.fields")), words(q.Get("expansions"))
	for _, f := range fields {
		if !slices.Contains(listFields, f) {
			why = "unknown field " + f
		}
	}
	for _, e := range expansions {
		if !slices.Contains(listExpansions, e) {
			why = "unknown expansion " + e
		}
	}
	before, err := tokenCode.DecodeString(q.Get("pagination_token"))
	if err != nil {
		why = "an unknown pagination_token"
	}
	if why != "" {
		s.invalid(w, r, "%s", why)
		return
	}
	reply(w, 200, s.pageOf(string(before), size, append(fields, "id", "text", "event_type"), expansions))
}

func words(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func (s *Sim) pageOf(before string, size int, fields, expansions []string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.list)
	slices.SortStableFunc(all, func(a, b listed) int { return cmp.Compare(b.number, a.number) })
	all = slices.DeleteFunc(all, func(l listed) bool {
		from, _ := strconv.ParseInt(before, 10, 64)
		return s.opts.Now().Sub(l.at) > listedFor || before != "" && l.number >= from
	})
	page := all[:min(size, len(all))]
	data, users, media := []any{}, map[string]any{}, []any{}
	for _, l := range page {
		data = append(data, l.event(fields))
		if name := s.names[l.from]; name != "" {
			users[l.from] = map[string]any{"id": l.from, "name": name, "username": strings.ToLower(name)}
		}
		if l.file != "" {
			media = append(media, map[string]any{"media_key": "3_" + l.file, "type": "photo", "url": l.fileURL})
		}
	}
	includes, meta := map[string]any{}, map[string]any{"result_count": len(data)}
	if slices.Contains(expansions, "sender_id") {
		list := []any{}
		for _, u := range users {
			list = append(list, u)
		}
		includes["users"] = list
	}
	if slices.Contains(expansions, "attachments.media_keys") && len(media) > 0 {
		includes["media"] = media
	}
	if len(page) < len(all) {
		meta["next_token"] = tokenCode.EncodeToString([]byte(strconv.FormatInt(page[len(page)-1].number, 10)))
	}
	answer := map[string]any{"includes": includes, "meta": meta}
	if len(data) > 0 { // X leaves an empty list out
		answer["data"] = data
	}
	return answer
}

// event is a message with those of its fields that were asked for.
func (l listed) event(fields []string) map[string]any {
	all := map[string]any{"id": strconv.FormatInt(l.number, 10), "event_type": "MessageCreate", "text": l.text, "sender_id": l.from,
		"dm_conversation_id": l.conversation, "created_at": l.at.UTC().Format("2006-01-02T15:04:05.000Z")}
	if len(l.links) > 0 {
		all["entities"] = map[string]any{"urls": l.links}
	}
	if l.file != "" {
		all["attachments"] = map[string]any{"media_keys": []string{"3_" + l.file}}
	}
	for name := range all {
		if !slices.Contains(fields, name) {
			delete(all, name)
		}
	}
	return all
}
