package console

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	cookieName = "bartizan_session"
	sessionFor = 12 * time.Hour
)

// auth knows who may see the admin plane: whoever holds the token, or a cookie that
// was made from it. A cookie is its end and a MAC over it, so nothing is stored.
type auth struct {
	token []byte // SHA-256 of the token, so that comparing leaks no length
	key   []byte
	now   func() time.Time
}

func newAuth(token string, now func() time.Time) *auth {
	sum := sha256.Sum256([]byte(token))
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("bartizan console session"))
	return &auth{token: sum[:], key: mac.Sum(nil), now: now}
}

func (a *auth) isToken(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], a.token) == 1
}

func (a *auth) sign(end string) string {
	mac := hmac.New(sha256.New, a.key)
	mac.Write([]byte(end))
	return hex.EncodeToString(mac.Sum(nil))
}

// cookie returns a new session.
func (a *auth) cookie() *http.Cookie {
	end := strconv.FormatInt(a.now().Add(sessionFor).Unix(), 10)
	return &http.Cookie{ //nolint:gosec // Secure would break the loopback default, which has no TLS
		Name: cookieName, Value: end + "." + a.sign(end), Path: "/", HttpOnly: true,
		SameSite: http.SameSiteStrictMode, MaxAge: int(sessionFor / time.Second),
	}
}

// allowed reports whether the request carries the token or a good session.
func (a *auth) allowed(r *http.Request) bool {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "bearer") {
		return a.isToken(strings.TrimSpace(token))
	}
	c, err := r.Cookie(cookieName)
	if err != nil {
		return false
	}
	end, mac, ok := strings.Cut(c.Value, ".")
	if !ok || !hmac.Equal([]byte(mac), []byte(a.sign(end))) {
		return false
	}
	unix, err := strconv.ParseInt(end, 10, 64)
	return err == nil && a.now().Before(time.Unix(unix, 0))
}

// api guards what programs ask for.
func (a *auth) api(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.allowed(r) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="bartizan"`)
			problem(w, http.StatusUnauthorized, "Send the admin token as a bearer token.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// page guards what people look at: they are led to the sign-in.
func (a *auth) page(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.allowed(r) {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (c *Console) loginPage(w http.ResponseWriter, r *http.Request) {
	c.render(w, r, http.StatusOK, "login.html", loginView{})
}

// loginView is what the sign-in page shows.
type loginView struct{ Wrong bool }

func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if !c.auth.isToken(strings.TrimSpace(r.PostFormValue("token"))) {
		c.render(w, r, http.StatusForbidden, "login.html", loginView{Wrong: true})
		return
	}
	http.SetCookie(w, c.auth.cookie())
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
