package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/openccsp/gateway/plugins/sms/smpp"
)

// kinds are type of number and numbering plan by what an address looks like.
type kinds struct{ long, short, name smpp.Address }

// maxShortCode is how many digits a short code has at most.
const maxShortCode = 6

// addresses reads the settings of addresses.
func (c *smppConfig) addresses() error {
	var errs []error
	for _, k := range []struct {
		to                    *smpp.Address
		name, value, standard string
	}{
		{&c.kinds.long, "long_ton_npi", c.LongKind, "1/1"},
		{&c.kinds.short, "short_ton_npi", c.ShortKind, "3/0"},
		{&c.kinds.name, "name_ton_npi", c.NameKind, "5/0"},
	} {
		value := k.value
		if value == "" {
			value = k.standard
		}
		var err error
		if *k.to, err = parseKind(k.name, value); err != nil {
			errs = append(errs, err)
		}
	}
	var err error
	if c.source, err = c.kinds.address(c.Source); err != nil {
		errs = append(errs, fmt.Errorf("source %q: %w", c.Source, err))
	}
	if c.SourceKind != "" {
		kind, err := parseKind("source_ton_npi", c.SourceKind)
		if err != nil {
			errs = append(errs, err)
		}
		c.source.TON, c.source.NPI = kind.TON, kind.NPI
	}
	return errors.Join(errs...)
}

// parseKind reads "1/1".
func parseKind(name, s string) (a smpp.Address, err error) {
	n, _ := fmt.Sscanf(s, "%d/%d", &a.TON, &a.NPI)
	if n != 2 || s != fmt.Sprintf("%d/%d", a.TON, a.NPI) {
		return a, fmt.Errorf(`%s %q is not type of number and numbering plan; write such as "1/1"`, name, s)
	}
	return a, nil
}

// address returns how a person's or an operator's spelling of a number, short code or
// name goes over the wire.
func (k kinds) address(s string) (smpp.Address, error) {
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -./()", r) {
			return -1
		}
		return r
	}, s)
	digits, plus := strings.CutPrefix(digits, "+")
	switch {
	case digits == "":
		return smpp.Address{}, errors.New("is empty")
	case strings.Trim(digits, "0123456789") != "":
		return k.named(s)
	case len(digits) > 15:
		return smpp.Address{}, errors.New("has more than 15 digits")
	case !plus && len(digits) <= maxShortCode:
		return smpp.Address{TON: k.short.TON, NPI: k.short.NPI, Addr: digits}, nil
	}
	return smpp.Address{TON: k.long.TON, NPI: k.long.NPI, Addr: digits}, nil
}

func (k kinds) named(s string) (smpp.Address, error) {
	if len(s) > 11 {
		return smpp.Address{}, errors.New("is neither a number nor a name of at most 11 letters and digits")
	}
	for _, r := range s {
		if r < ' ' || r > '~' {
			return smpp.Address{}, errors.New("has letters that a name cannot have")
		}
	}
	return smpp.Address{TON: k.name.TON, NPI: k.name.NPI, Addr: s}, nil
}

// customer is the address of who wrote: a phone number in its international form has
// a +, whether or not the SMSC says that it is one.
func customer(a smpp.Address) string {
	number := strings.Trim(a.Addr, "0123456789") == ""
	international := a.TON == smpp.TONInternational ||
		a.TON == smpp.TONUnknown && len(a.Addr) > 9 && !strings.HasPrefix(a.Addr, "0")
	if number && international && len(a.Addr) > maxShortCode {
		return "+" + a.Addr
	}
	return a.Addr
}
