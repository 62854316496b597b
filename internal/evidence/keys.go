package evidence

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
)

// Keys makes the keyed hashes that stand in records: HMAC-SHA256, truncated. Without
// the secret no name and no text can be guessed back from them; with it they are
// equal on every node. A Keys is safe for concurrent use.
type Keys struct {
	tenant [sha256.Size]byte

	// What was derived before, since every record needs it: at most [keepDerived] of
	// each kind, and then all anew.
	mu       sync.RWMutex
	accounts map[string][16]byte
	data     map[[16]byte][sha256.Size]byte
	keys     map[string][8]byte
}

const keepDerived = 1 << 16

// NewKeys derives the keys of an installation from its secret. The secret may serve
// other purposes too.
func NewKeys(secret []byte) *Keys {
	k := &Keys{
		accounts: make(map[string][16]byte), data: make(map[[16]byte][sha256.Size]byte), keys: make(map[string][8]byte),
	}
	sum(k.tenant[:], secret, "bartizan evidence tenant key 1", nil)
	return k
}

// Account is the pseudonym of an account.
func (k *Keys) Account(id string) [16]byte {
	return derive(k, k.accounts, id, func() (mac [16]byte) {
		sum(mac[:], k.tenant[:], "account", []byte(id))
		return mac
	})
}

// Key is the pseudonym of an API key, made from its id.
func (k *Keys) Key(id string) [8]byte {
	return derive(k, k.keys, id, func() (mac [8]byte) {
		sum(mac[:], k.tenant[:], "key", []byte(id))
		return mac
	})
}

// Network is the pseudonym of a network as the exchange names it, the same for every
// account.
func (k *Keys) Network(network string) (mac [16]byte) {
	sum(mac[:], k.tenant[:], "network", []byte(network))
	return mac
}

// derive returns the remembered value of key, or makes and remembers it.
func derive[K comparable, V any](k *Keys, known map[K]V, key K, fresh func() V) V {
	k.mu.RLock()
	value, ok := known[key]
	k.mu.RUnlock()
	if ok {
		return value
	}
	value = fresh()
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(known) >= keepDerived {
		clear(known)
	}
	known[key] = value
	return value
}

// Prompt hashes the normalised text (see [NormalizePrompt]) under the account's data
// key: equal prompts of one account are equal, those of two accounts are not.
func (k *Keys) Prompt(account, text string) (mac [16]byte) {
	key := k.dataKey(k.Account(account))
	sum(mac[:], key[:], "prompt", []byte(NormalizePrompt(text)))
	return mac
}

// Shaping is the key of what stands in answers in place of something withheld: it must
// stay as long as answers are to stay alike.
func (k *Keys) Shaping() (key [32]byte) {
	sum(key[:], k.tenant[:], "shaping", nil)
	return key
}

// NewOutput returns a hash for the bytes of an answer under the account's data key.
// The first 16 bytes of its sum are the record's OutputMAC.
func (k *Keys) NewOutput(account string) hash.Hash {
	key := k.dataKey(k.Account(account))
	o := &output{Hash: hmac.New(sha256.New, key[:])}
	o.Reset()
	return o
}

// Salt is the secret salt of a record, which keeps its leaf hash from being guessed.
// The account is given by its pseudonym.
func (k *Keys) Salt(account [16]byte, seq uint64) (salt [16]byte) {
	key := k.dataKey(account)
	sum(salt[:], key[:], "salt", binary.LittleEndian.AppendUint64(nil, seq))
	return salt
}

// dataKey is the data key of an account.
func (k *Keys) dataKey(account [16]byte) [sha256.Size]byte {
	return derive(k, k.data, account, func() (key [sha256.Size]byte) {
		sum(key[:], k.tenant[:], "data", account[:])
		return key
	})
}

// output is an HMAC whose message begins with its purpose, after a Reset too.
type output struct{ hash.Hash }

// Reset begins a new answer.
func (o *output) Reset() {
	o.Hash.Reset()
	o.Write([]byte("output")) //nolint:gosec // a hash never fails to write
}

// sum fills dst with the first bytes of HMAC-SHA256(key, purpose ‖ message). Under one
// key no purpose may be the beginning of another.
func sum(dst, key []byte, purpose string, message []byte) {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(purpose))
	h.Write(message)
	copy(dst, h.Sum(nil))
}
