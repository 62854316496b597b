package upstream

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Target is one model server. It does not show its key when printed or logged.
type Target struct {
	// Name stands for the target in errors and logs.
	Name string
	// URL is the base to which paths are appended. When it ends with the segment
	// that a path begins with, as in https://example.org/v1, that is not doubled.
	URL *url.URL
	// Key is the upstream's own credential; empty means that it wants none.
	Key string
	// KeyHeader is the header that carries Key as it is; empty means
	// "Authorization: Bearer" followed by Key.
	KeyHeader string
	// Header is added to every request, in place of what the client sent; Missing only
	// where the client sent none.
	Header, Missing http.Header
	// HeaderTimeout bounds the wait for the answer to begin, connecting and
	// repeating included; 0 means that of [Options].
	HeaderTimeout time.Duration
}

// String returns the target's name and address.
func (t Target) String() string {
	if t.URL == nil {
		return t.Name
	}
	return t.Name + " (" + t.URL.Redacted() + ")"
}

// GoString is [Target.String], so that no verb prints the key.
func (t Target) GoString() string { return t.String() }

// LogValue keeps the key out of logs.
func (t Target) LogValue() slog.Value { return slog.StringValue(t.String()) }

// address returns the URL of a path, given in its escaped form, under the target.
func (t Target) address(path, rawQuery string) (*url.URL, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("path %q does not begin with a slash", path)
	}
	base := strings.TrimSuffix(t.URL.EscapedPath(), "/")
	first, _, _ := strings.Cut(path[1:], "/")
	if first != "" && strings.HasSuffix(base, "/"+first) {
		base = strings.TrimSuffix(base, "/"+first)
	}
	u := &url.URL{Scheme: t.URL.Scheme, Host: t.URL.Host, RawQuery: withoutKeys(rawQuery)}
	full := base + path
	clean, err := url.PathUnescape(full)
	if err != nil {
		return nil, fmt.Errorf("path %q: %w", path, err)
	}
	for segment := range strings.SplitSeq(clean, "/") {
		if segment == ".." || segment == "." {
			return nil, fmt.Errorf("path %q leaves its place", path)
		}
	}
	u.Path, u.RawPath = clean, full
	return u, nil
}

// withoutKeys removes the parameters that carry a client's credential. The others
// keep their order and their bytes. What cannot be decoded is removed as well.
func withoutKeys(rawQuery string) string {
	if rawQuery == "" {
		return ""
	}
	var kept []string
	for parameter := range strings.FieldsFuncSeq(rawQuery, func(r rune) bool { return r == '&' || r == ';' }) {
		raw, _, _ := strings.Cut(parameter, "=")
		name, err := url.QueryUnescape(raw)
		if err == nil && !isKeyParameter(name) {
			kept = append(kept, parameter)
		}
	}
	return strings.Join(kept, "&")
}

func isKeyParameter(name string) bool {
	switch strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "-", "_") {
	case "key", "api_key", "apikey", "x_api_key", "x_goog_api_key", "access_token", "token", "subscription_key":
		return true
	default:
		return false
	}
}
