package config

import (
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// The functions below say what is wrong with a text, or "".

// checkText refuses what has no business in a name or a path and could forge lines in
// messages.
func checkText(s string) string {
	switch {
	case s == "":
		return "is empty"
	case len(s) > 1024:
		return "is longer than 1024 bytes"
	case strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }):
		return "has characters that do not print"
	default:
		return ""
	}
}

func checkAddress(s string) string {
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsAny(host, " /@") {
		return "is not host:port"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return "has no port from 0 to 65535"
	}
	return ""
}

func checkBaseURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "is not a URL"
	case u.Scheme != "http" && u.Scheme != "https":
		return "is neither http nor https"
	case u.User != nil:
		return "carries credentials; they belong into a file named with key_file"
	case u.Hostname() == "" || u.Opaque != "":
		return "has no host"
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#"):
		return "has a query or a fragment"
	case checkPort(u) != nil:
		return "has no port from 1 to 65535"
	default:
		return ""
	}
}

func checkPort(u *url.URL) error {
	if u.Port() == "" && !strings.HasSuffix(u.Host, ":") {
		return nil
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	if err == nil && n == 0 {
		return strconv.ErrRange
	}
	return err
}

func checkModelPattern(s string) string {
	if _, err := path.Match(s, ""); err != nil {
		return "is not a pattern"
	}
	return ""
}

func checkName(s string) string {
	if !nameForm.MatchString(s) {
		return "is not a name"
	}
	return ""
}

var headerForm = regexp.MustCompile("^[a-zA-Z0-9][a-zA-Z0-9-]{0,63}$")

// checkHeader refuses what is no header, and headers in which no server looks for a key
// and which the request needs for something else.
func checkHeader(s string) string {
	if !headerForm.MatchString(s) {
		return "is not the name of a header"
	}
	switch name := strings.ToLower(s); name {
	case "accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host",
		"keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent":
		return "is needed for something else"
	default:
		return ""
	}
}

// collide reports whether two listeners cannot both be opened.
func collide(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	switch {
	case errA != nil, errB != nil, portA != portB, portA == "0":
		return false
	case hostA == "localhost" || hostB == "localhost":
		return loopback(a) && loopback(b) || anyHost(hostA) || anyHost(hostB)
	default:
		return hostA == hostB || anyHost(hostA) || anyHost(hostB)
	}
}

func anyHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || (err == nil && ip.IsUnspecified())
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && ip.IsLoopback())
}
