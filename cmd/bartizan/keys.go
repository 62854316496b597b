package main

import (
	"crypto/rand"
	"fmt"
	"time"

	"bartizan"
	"bartizan/internal/datadir"
	"bartizan/internal/store"
)

type keysCmd struct {
	Create keysCreateCmd `cmd:"" help:"Create a key. It is shown once."`
	List   keysListCmd   `cmd:"" help:"List the keys of an account."`
	Rotate keysRotateCmd `cmd:"" help:"Create a key in place of another, which is revoked."`
	Revoke keysRevokeCmd `cmd:"" help:"Revoke a key."`
}

const keySchema = "bartizan.key/1"

type keyOut struct {
	Schema  string `json:"schema"`
	ID      string `json:"id"`
	Account string `json:"account"`
	Key     string `json:"key,omitempty"`
	// Revoked is the key that this one replaced.
	Revoked string `json:"revoked,omitempty"`
}

type keysCreateCmd struct {
	Account string `help:"Account that the key is for." required:""`
}

// Help shows an example.
func (*keysCreateCmd) Help() string {
	return "Example:\n  bartizan keys create --account acme --data ./data --format json"
}

// Run creates and shows a key.
func (c *keysCreateCmd) Run(a *app) error {
	dir, st, err := a.openStore()
	if err != nil {
		return err
	}
	defer st.Close()
	out, err := createKey(a, dir, st, c.Account)
	if err != nil {
		return err
	}
	return a.showKey(out)
}

// createKey makes a key of an account and returns it with its secret.
func createKey(a *app, dir *datadir.Dir, st *store.Store, account string) (keyOut, error) {
	record, key, mac, err := freshKey(dir, account)
	if err != nil {
		return keyOut{}, err
	}
	if err := st.CreateKey(a.ctx, record, mac); err != nil {
		return keyOut{}, storeError(err)
	}
	return keyOut{Schema: keySchema, ID: record.ID, Account: account, Key: key}, nil
}

// freshKey draws a key and the hash of it that is stored.
func freshKey(dir *datadir.Dir, account string) (record bartizan.Key, key string, mac []byte, err error) {
	secret, err := dir.Secret(installationSecret)
	if err != nil {
		return bartizan.Key{}, "", nil, usageError(err)
	}
	id, key := store.NewKeySecret(rand.Reader)
	return bartizan.Key{ID: id, Account: account, CreatedAt: time.Now().UTC()}, key, store.KeyMAC(secret, key), nil
}

func (a *app) showKey(out keyOut) error {
	if a.Format == formatJSON {
		return a.printJSON(out)
	}
	fmt.Fprintln(a.out, out.Key)
	a.hint("Key %s of account %s. It is shown only now; keep it safe.", out.ID, out.Account)
	return nil
}

type keysListCmd struct {
	Account string `help:"Account whose keys to list." required:""`
}

// Run lists keys, without secrets.
func (c *keysListCmd) Run(a *app) error {
	_, st, err := a.openStore()
	if err != nil {
		return err
	}
	defer st.Close()
	keys, err := st.Keys(a.ctx, c.Account)
	if err != nil {
		return storeError(err)
	}
	if a.Format == formatJSON {
		return a.printJSON(struct {
			Schema string         `json:"schema"`
			Keys   []bartizan.Key `json:"keys"`
		}{"bartizan.keys/1", keys})
	}
	t := newTable("KEY", "ACCOUNT", "CREATED", "REVOKED")
	for _, k := range keys {
		t.add(k.ID, k.Account, stamp(k.CreatedAt), stamp(k.RevokedAt))
	}
	t.print(a.out)
	return nil
}

type keysRotateCmd struct {
	ID string `arg:"" help:"Id of the key to replace."`
	In string `default:"0s" help:"How long the old key stays good, such as 24h."`
}

// Run makes the new key and revokes the old one, both or neither.
func (c *keysRotateCmd) Run(a *app) error {
	grace, err := time.ParseDuration(c.In)
	if err != nil || grace < 0 {
		return usageError(fmt.Errorf("--in %q: give a time such as 30m or 24h", c.In))
	}
	dir, st, err := a.openStore()
	if err != nil {
		return err
	}
	defer st.Close()
	old, err := st.Key(a.ctx, c.ID)
	if err != nil {
		return storeError(err)
	}
	record, key, mac, err := freshKey(dir, old.Account)
	if err != nil {
		return err
	}
	if err := st.RotateKey(a.ctx, c.ID, time.Now().Add(grace).UTC(), record, mac); err != nil {
		return storeError(err)
	}
	return a.showKey(keyOut{Schema: keySchema, ID: record.ID, Account: old.Account, Key: key, Revoked: c.ID})
}

type keysRevokeCmd struct {
	ID string `arg:"" help:"Id of the key."`
}

// Help shows an example.
func (*keysRevokeCmd) Help() string { return "Example:\n  bartizan keys revoke k1a2b3 --data ./data" }

// Run revokes the key; a running server refuses it within a second.
func (c *keysRevokeCmd) Run(a *app) error {
	_, st, err := a.openStore()
	if err != nil {
		return err
	}
	defer st.Close()
	if err := st.RevokeKey(a.ctx, c.ID, time.Now().UTC()); err != nil {
		return storeError(err)
	}
	if a.Format == formatJSON {
		key, err := st.Key(a.ctx, c.ID)
		if err != nil {
			return storeError(err)
		}
		return a.printJSON(struct {
			Schema string `json:"schema"`
			bartizan.Key
		}{keySchema, key})
	}
	a.say("Revoked key %s.", c.ID)
	return nil
}
