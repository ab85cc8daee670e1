package phone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// speaker is the program that makes speech of text (Debian: espeak-ng).
const speaker = "espeak-ng"

// ErrNoSpeech says that this machine has no program that speaks.
var ErrNoSpeech = errors.New(speaker + " is not installed: a call can only play a WAV file")

var language = regexp.MustCompile(`^[a-z]{2,3}(-[a-z0-9]{2,8})*$`)

// Speak makes speech of text. lang is a language as in "de-CH"; if it is not known,
// its first part is tried, then English.
func Speak(ctx context.Context, text, lang string) ([]int16, error) {
	program, err := exec.LookPath(speaker)
	if err != nil {
		return nil, ErrNoSpeech
	}
	lang = strings.ToLower(strings.ReplaceAll(lang, "_", "-"))
	short, _, _ := strings.Cut(lang, "-")
	for _, voice := range []string{lang, short, "en"} {
		if !language.MatchString(voice) {
			continue
		}
		var samples []int16
		if samples, err = speak(ctx, program, voice, text); err == nil {
			return samples, nil
		}
	}
	return nil, err
}

// speak has the program say text. The text goes by its standard input: it is never
// an argument.
func speak(ctx context.Context, program, voice, text string) ([]int16, error) {
	cmd := exec.CommandContext(ctx, program, "-v", voice, "--stdin", "--stdout", "-b", "1")
	cmd.Stdin = strings.NewReader(text)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %.200s", speaker, err, strings.TrimSpace(said.String()))
	}
	return ReadWAV(bytes.NewReader(out))
}
