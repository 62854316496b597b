package upstream

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// agent is how every request names its sender. A client's own User-Agent would tell
// the upstream about clients.
const agent = "bartizan"

// passedNames returns the canonical names of the request headers that travel on:
// those that every upstream may see, and more.
func passedNames(more []string) []string {
	names := []string{"Accept", "Anthropic-Beta", "Anthropic-Version", "Content-Type", "Openai-Beta", "X-Request-Id"}
	for _, name := range more {
		if name = textproto.CanonicalMIMEHeaderKey(name); mayPass(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// mayPass is false for headers that never travel on, whatever an operator asks for:
// credentials, what holds for one connection only, and what this package sets itself.
func mayPass(name string) bool {
	switch name {
	case "", "Authorization", "Api-Key", "Cookie", "X-Api-Key", "X-Goog-Api-Key",
		"Accept-Encoding", "Content-Encoding", "Expect", "User-Agent":
		return false
	default:
		return !isHop(name)
	}
}

// requestHeader builds the header of a request to t from that of a client.
func (c *Client) requestHeader(t *Target, client http.Header) http.Header {
	h := make(http.Header, len(c.passed)+3)
	for _, name := range c.passed {
		if values := client[name]; len(values) > 0 && !namedInConnection(client, name) {
			h[name] = values
		}
	}
	for name, values := range t.Header {
		if name = textproto.CanonicalMIMEHeaderKey(name); !isHop(name) {
			h[name] = values
		}
	}
	for name, values := range t.Missing {
		if name = textproto.CanonicalMIMEHeaderKey(name); len(h[name]) == 0 && !isHop(name) {
			h[name] = values
		}
	}
	h["User-Agent"] = []string{agent}
	// Anything else would have to be decoded before it can be shaped.
	h["Accept-Encoding"] = []string{"identity"}
	switch {
	case t.Key == "":
	case t.KeyHeader == "":
		h["Authorization"] = []string{"Bearer " + t.Key}
	default:
		h[textproto.CanonicalMIMEHeaderKey(t.KeyHeader)] = []string{t.Key}
	}
	return h
}

// namedInConnection reports whether the client declared the header to be for this
// connection only. Content-Type says how the body was read, and stays.
func namedInConnection(client http.Header, name string) bool {
	if name == "Content-Type" {
		return false
	}
	for _, line := range client["Connection"] {
		for option := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(option), name) {
				return true
			}
		}
	}
	return false
}

func isHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Host":
		return true
	default:
		return strings.HasPrefix(name, "Proxy-")
	}
}

// ClientHeader copies to dst what a client may see of the header of an upstream's
// answer with the given status: the content type, cache control and, on 429 and 503,
// a Retry-After in seconds. Everything else stays behind, known or not: servers name
// their engine, build, host, load and timings in headers of their own.
func ClientHeader(dst, src http.Header, status int) {
	for _, name := range []string{"Content-Type", "Cache-Control"} {
		if value := src.Get(name); value != "" {
			dst[name] = []string{value}
		}
	}
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return
	}
	if value := src.Get("Retry-After"); isSeconds(value) {
		dst["Retry-After"] = []string{value}
	}
}

// isSeconds accepts up to five digits, about a day.
func isSeconds(s string) bool {
	return s != "" && len(s) <= 5 && strings.Trim(s, "0123456789") == ""
}
