package evidence_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"bartizan/internal/evidence"
)

// mac is HMAC-SHA256 over the parts, written out once more.
func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

func TestKeysAreHMACs(t *testing.T) {
	t.Parallel()
	secret := []byte("0123456789abcdef0123456789abcdef")
	k := evidence.NewKeys(secret)
	tenant := mac(secret, "bartizan evidence tenant key 1")
	account := k.Account("acme")
	data := mac(tenant, "data", string(account[:]))
	network := k.Network("192.0.2.0/24")
	key, prompt, salt := k.Key("k1"), k.Prompt("acme", " Hello  world\r\n"), k.Salt(account, 0x0102)
	out := k.NewOutput("acme")
	out.Write([]byte("wrong"))
	out.Reset()
	out.Write([]byte("ans"))
	out.Write([]byte("wer"))
	for name, c := range map[string]struct{ got, want []byte }{
		"account": {account[:], mac(tenant, "account", "acme")[:16]},
		"key":     {key[:], mac(tenant, "key", "k1")[:8]},
		"network": {network[:], mac(tenant, "network", "192.0.2.0/24")[:16]},
		"prompt":  {prompt[:], mac(data, "prompt", "Hello world")[:16]},
		"output":  {out.Sum(nil), mac(data, "output", "answer")},
		"salt":    {salt[:], mac(data, "salt", "\x02\x01\x00\x00\x00\x00\x00\x00")[:16]},
	} {
		if !hmac.Equal(c.got, c.want) {
			t.Errorf("%s = %x; want %x", name, c.got, c.want)
		}
	}
	// Pinned: records of last year must still be found.
	if got, want := hex.EncodeToString(account[:]), "6a70335fb69a3dfa3ed814494d45a31e"; got != want {
		t.Errorf("account acme = %s; want %s", got, want)
	}
}

func TestKeysAreSeparate(t *testing.T) {
	t.Parallel()
	a, b := evidence.NewKeys([]byte("one")), evidence.NewKeys([]byte("two"))
	if a.Account("x") == b.Account("x") {
		t.Error("two installations give an account the same pseudonym")
	}
	if a.Prompt("x", "text") == a.Prompt("y", "text") {
		t.Error("two accounts give a prompt the same hash")
	}
	if a.Prompt("x", "text") != a.Prompt("x", "  text\n") {
		t.Error("layout changes the hash of a prompt")
	}
	if a.Salt(a.Account("x"), 1) == a.Salt(a.Account("x"), 2) {
		t.Error("two records have the same salt")
	}
}
