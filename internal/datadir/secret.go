package datadir

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"syscall"
)

// secretSize is the length of a secret in bytes.
const secretSize = 32

// tokenSize is the length of a token's text: its prefix, then 32 bytes in base64url.
const (
	tokenPrefix = "bza_"
	tokenSize   = len(tokenPrefix) + 43
)

var secretName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// Secret returns the 32 bytes named name. They are random, made by the first call and
// kept for as long as the folder; processes that call at once get the same ones.
func (d *Dir) Secret(name string) ([]byte, error) {
	secret, _, err := d.secret(name, secretSize, func() []byte {
		fresh := make([]byte, secretSize)
		rand.Read(fresh) // It never returns an error; it ends the program instead.
		return fresh
	})
	return secret, err
}

// Token returns the secret text named name, for a person to type or paste. It is made
// by the first call, and fresh is true for that call alone, so that it can be shown once.
func (d *Dir) Token(name string) (token string, fresh bool, err error) {
	text, fresh, err := d.secret(name, tokenSize, func() []byte {
		random := make([]byte, secretSize)
		rand.Read(random) // It never returns an error; it ends the program instead.
		return []byte(tokenPrefix + base64.RawURLEncoding.EncodeToString(random))
	})
	return string(text), fresh, err
}

// secret reads the file of a secret, or makes it under a lock of its own, so that two
// processes at their first start agree.
func (d *Dir) secret(name string, size int, generate func() []byte) (secret []byte, fresh bool, err error) {
	if !secretName.MatchString(name) {
		return nil, false, fmt.Errorf("secret %q: use lower-case letters, digits, - and _ and begin with a letter", name)
	}
	secret, err = d.readSecret(name, size)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, false, err
	}
	if err := os.MkdirAll(d.Path(secretsDir), 0o700); err != nil {
		return nil, false, fmt.Errorf("make folder of secrets: %w", err)
	}
	lock, err := openLock(d.Path(secretsDir, ".lock"))
	if err != nil {
		return nil, false, fmt.Errorf("make secret %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := flock(lock, syscall.LOCK_EX); err != nil {
		return nil, false, fmt.Errorf("make secret %s: %w", name, err)
	}
	secret, err = d.readSecret(name, size)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, false, err
	}
	secret = generate()
	if err := writeFile(d.Path(secretsDir, name), secret); err != nil {
		return nil, false, fmt.Errorf("make secret %s: %w", name, err)
	}
	return secret, true, nil
}

// readSecret refuses what cannot be the secret that was made. A wrong secret is worse
// than none: every stored hash would silently stop to match.
func (d *Dir) readSecret(name string, size int) ([]byte, error) {
	path := d.Path(secretsDir, name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read secret %s: %w", name, err)
	}
	// Group bits are left to the operator: volume managers set them for a service's group.
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("secret %s is open to every user (mode %04o): run chmod 600 %s, and replace what it protects if others had access",
			name, info.Mode().Perm(), path)
	}
	secret, err := os.ReadFile(path) //nolint:gosec // The operator chose the folder.
	if err != nil {
		return nil, fmt.Errorf("read secret %s: %w", name, err)
	}
	if len(secret) != size {
		return nil, fmt.Errorf("secret %s in %s has %d bytes, want %d: restore it from a backup", name, path, len(secret), size)
	}
	return secret, nil
}
