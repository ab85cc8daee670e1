package desk

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const maxCanned = 50

func commonAnswers() []string {
	return []string{
		"Hello {name}, you are speaking with {agent}. How can I help?",
		"One moment please, I am looking it up.",
		"Thank you for waiting.",
		"Could you tell me your order number?",
		"I will hand you over to a colleague who knows more about this.",
		"Is there anything else that I can do for you?",
		"Thank you for contacting us. Goodbye, {name}!",
	}
}

// readCanned reads answers, one a line. Empty lines and those after a # are
// left out.
func readCanned(r io.Reader, name string) ([]string, error) {
	list := []string{}
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		if line != "" && !strings.HasPrefix(line, "#") {
			list = append(list, line)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(list) > maxCanned {
		return nil, fmt.Errorf("%s: %d answers; at most %d are taken", name, len(list), maxCanned)
	}
	return list, nil
}

// listCanned answers GET /agent/canned.
func (d *Desk[C, V, A]) listCanned(w http.ResponseWriter, _ *http.Request) {
	WriteJSON(w, http.StatusOK, map[string]any{"canned": d.Canned})
}
