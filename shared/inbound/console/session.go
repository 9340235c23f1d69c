package console

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// sessionCookie holds the operator's access token, and nothing else is a session: it ends with the
// token. No script can read it. It is sent to the console alone, as its path is the folder of the
// page that set it, and a page of another site that posts a form has it left out (SameSite).
const sessionCookie = "orderflow-session"

// maxToken is what browsers keep: 4096 bytes for a cookie with its name and attributes.
const maxToken = 3900

type session struct {
	token   string
	expires time.Time
	who     string
}

// claims are what the console reads of a token by itself: whom to greet and until when. The API
// verifies the token with each request.
type claims struct {
	Expires  int64  `json:"exp"`
	Username string `json:"username"`
	Name     string `json:"preferred_username"`
	Client   string `json:"client_id"`
	Subject  string `json:"sub"`
}

// readToken reads a session of a token; ok is false where it is none.
func readToken(token string) (s session, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return session{}, false
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return session{}, false
	}
	var says claims
	if json.Unmarshal(text, &says) != nil || says.Expires <= 0 {
		return session{}, false
	}
	return session{
		token: token, expires: time.Unix(says.Expires, 0).UTC(),
		who: cmp.Or(says.Username, says.Name, says.Client, says.Subject),
	}, true
}

func sessionOf(r *http.Request) session {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return session{}
	}
	s, _ := readToken(cookie.Value)
	return s
}

// lives reports whether there is a session, which the API may still end.
func (s session) lives(now time.Time) bool { return s.token != "" && now.Before(s.expires) }

// keep sets a cookie that pages of the console get, and nobody else. Pages that are directly below
// the console's address do so. An age of 0 is until the browser ends, and one below removes it.
func (x *exchange) keep(name, value string, age int) {
	x.header.Add("Set-Cookie", (&http.Cookie{
		Name: name, Value: value, MaxAge: age, HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
	}).String())
}

func (x *exchange) forget(name string) { x.keep(name, "", -1) }
