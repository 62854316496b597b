package modelserver

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// newVault makes the cipher that seals thoughts. Its key lives as long as the server;
// with a seed the key is a function of it, for a repeatable server has no secrets.
func newVault(seed uint64) cipher.AEAD {
	key := make([]byte, 32)
	if seed == 0 {
		_, _ = rand.Read(key) // never fails
	} else {
		sum := sha256.Sum256(binary.LittleEndian.AppendUint64([]byte("vault"), seed))
		copy(key, sum[:])
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil // 32 bytes are a key
	}
	vault, err := cipher.NewGCM(block)
	if err != nil {
		return nil // AES has the block size that GCM needs
	}
	return vault
}

// seal encrypts a thought; equal thoughts give equal texts. Providers call it a
// signature or encrypted content.
func (s *Server) seal(thought string) string {
	mac := hmac.New(sha256.New, []byte("nonce"))
	_, _ = mac.Write([]byte(thought)) // a hash accepts everything
	nonce := mac.Sum(nil)[:s.vault.NonceSize()]
	return base64.StdEncoding.EncodeToString(s.vault.Seal(nonce, nonce, []byte(thought), nil))
}

// unseal returns the thought that this server sealed.
func (s *Server) unseal(text string) (string, bool) {
	raw, err := base64.StdEncoding.DecodeString(text)
	n := s.vault.NonceSize()
	if err != nil || len(raw) < n {
		return "", false
	}
	thought, err := s.vault.Open(nil, raw[:n], raw[n:], nil)
	return string(thought), err == nil
}
