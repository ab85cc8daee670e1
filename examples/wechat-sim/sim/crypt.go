package sim

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1" //nolint:gosec // it is what WeChat signs with
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
)

// Sign signs as WeChat does: SHA-1 over the sorted parts.
func Sign(parts ...string) string {
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, ""))) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}

func decodeKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(text + "=")
	if err != nil || len(key) != 32 {
		return nil, errors.New("an EncodingAESKey has 43 letters and digits")
	}
	return key, nil
}

// Encrypt encrypts a message for an app, with 16 random bytes.
func Encrypt(encodingAESKey, appID, random string, message []byte) (string, error) {
	key, err := decodeKey(encodingAESKey)
	if err != nil || len(random) != 16 {
		return "", errors.Join(err, errors.New("want a key, and 16 random bytes"))
	}
	return seal(key, appID, random, message)
}

func seal(key []byte, appID, random string, message []byte) (string, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	b.WriteString(random)
	b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(message))))
	b.Write(message)
	b.WriteString(appID)
	n := 32 - b.Len()%32
	b.Write(bytes.Repeat([]byte{byte(n)}, n))
	cipher.NewCBCEncrypter(block, key[:16]).CryptBlocks(b.Bytes(), b.Bytes())
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}
