package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

const (
	aesKeyLetters = 43 // of an EncodingAESKey
	padBlock      = 32 // of the padding; that of the cipher is 16
	cryptHead     = 16 + 4
)

// aesKey is what messages are encrypted with; its first half is the IV.
type aesKey []byte

var (
	errCipher   = errors.New("it is not encrypted with the key")
	errOtherApp = errors.New("it is for another app id")
)

// parseAESKey reads an EncodingAESKey. Its last letter may have bits that are
// not used, and are not zero.
func parseAESKey(text string) (aesKey, error) {
	if len(text) != aesKeyLetters {
		return nil, errors.New("it does not have 43 letters and digits")
	}
	key, err := base64.StdEncoding.DecodeString(text + "=")
	if err != nil {
		return nil, errors.New("it has more than letters and digits")
	}
	return key, nil
}

// decrypt opens what WeChat encrypted for appID: 16 random bytes, the length of
// the message in 4, the message, and the app id.
func (k aesKey) decrypt(text, appID string) ([]byte, error) {
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return nil, errCipher
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, errCipher
	}
	plain := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(block, k[:aes.BlockSize]).CryptBlocks(plain, sealed)
	plain, ok := unpad(plain)
	if !ok || len(plain) < cryptHead {
		return nil, errCipher
	}
	n := int64(binary.BigEndian.Uint32(plain[16:]))
	rest := plain[cryptHead:]
	if n > int64(len(rest)) {
		return nil, errCipher
	}
	if string(rest[n:]) != appID {
		return nil, errOtherApp
	}
	return rest[:n], nil
}

// unpad takes off the padding of PKCS#7.
func unpad(b []byte) ([]byte, bool) {
	n := int(b[len(b)-1])
	if n < 1 || n > padBlock || n > len(b) {
		return nil, false
	}
	body, pad := b[:len(b)-n], b[len(b)-n:]
	return body, bytes.Count(pad, []byte{byte(n)}) == n
}

// decryptAny tries the keys in their order.
func decryptAny(keys []aesKey, text, appID string) (plain []byte, err error) {
	err = errCipher
	for _, k := range keys {
		var e error
		if plain, e = k.decrypt(text, appID); e == nil {
			return plain, nil
		}
		if errors.Is(e, errOtherApp) {
			err = e
		}
	}
	return nil, err
}
