package ccsp

import "net/url"

// FileName is fileName for tests.
func FileName(name, address, mime string) string {
	u, err := url.Parse(address)
	if err != nil {
		u = new(url.URL)
	}
	return fileName(name, u, mime)
}
