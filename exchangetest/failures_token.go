package exchangetest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xoauth2/go-xoauth2/exchangetest/internal/authority"
	"github.com/xoauth2/go-xoauth2/exchangetest/internal/script"
)

// FailToken refuses token requests as Entra does under an AADSTS number, such
// as 7000215 for a wrong client secret: with the error, suberror and text that
// belong to it. It panics for a number that is not among [AADSTS].
func (s *Server) FailToken(number int) *Fault {
	return s.refuse(&s.identity.Hooks.RefuseToken, number)
}

// FailSignIn refuses interactive sign-ins under an AADSTS number: by sending
// the browser back to the application with the error, or, where Entra does
// not, with a page.
func (s *Server) FailSignIn(number int) *Fault {
	return s.refuse(&s.identity.Hooks.RefuseAuthorize, number)
}

// FailDeviceCode refuses the first request of device sign-ins under an AADSTS
// number.
func (s *Server) FailDeviceCode(number int) *Fault {
	return s.refuse(&s.identity.Hooks.RefuseDevice, number)
}

func (s *Server) refuse(hook *script.Script[int], number int) *Fault {
	if _, known := slices.BinarySearch(AADSTS(), number); !known {
		panic(fmt.Sprintf("exchangetest: AADSTS%d is not a refusal that can be asked for", number))
	}
	return s.fault(func(turn *script.Turn) { hook.Add(turn, number) })
}

// AADSTS returns the numbers that FailToken, FailSignIn and FailDeviceCode
// take, in order.
func AADSTS() []int { return authority.Numbers() }

// ExpireClientSecrets makes every client secret one that has expired.
func (s *Server) ExpireClientSecrets() *Fault {
	return s.condition(&s.identity.Hooks.SecretExpired)
}

// ExpireRefreshTokens makes every refresh token one that has not been used for
// 90 days.
func (s *Server) ExpireRefreshTokens() *Fault {
	return s.condition(&s.identity.Hooks.RefreshExpired)
}

// SlowDownDevices answers polls of device sign-ins with slow_down (RFC 8628,
// section 3.5).
func (s *Server) SlowDownDevices() *Fault { return s.condition(&s.identity.Hooks.SlowDown) }

// RevokeSessions ends all sign-ins of a user, or everybody's if username is
// empty: their refresh tokens are refused from now on. It is done once and
// not a Fault; a new sign-in is a new session.
func (s *Server) RevokeSessions(username string) { s.identity.RevokeSessions(username) }

// RevokeAccessTokens makes the mail servers refuse every access token issued
// so far. It is done once and not a Fault.
func (s *Server) RevokeAccessTokens() { s.identity.RevokeAccessTokens() }

// WithdrawConsents takes back what users have granted to applications. It is
// done once and not a Fault; a new sign-in grants anew.
func (s *Server) WithdrawConsents() { s.identity.WithdrawConsents() }

// MisdirectTokens issues access tokens for another resource than was asked
// for, such as https://graph.microsoft.com.
func (s *Server) MisdirectTokens(audience string) *Fault {
	return s.claims(func(c *authority.Claims) { c.Audience = audience })
}

// OmitPermissions issues access tokens without scopes and roles.
func (s *Server) OmitPermissions() *Fault {
	return s.claims(func(c *authority.Claims) { c.Scopes, c.Roles = "", nil })
}

// IssueExpiredTokens issues access tokens that have ended.
func (s *Server) IssueExpiredTokens() *Fault {
	return s.claims(func(c *authority.Claims) {
		const day = 24 * 60 * 60
		c.IssuedAt, c.NotBefore, c.Expiry = c.IssuedAt-day, c.NotBefore-day, c.Expiry-day
	})
}

// IssueLongTokens issues access tokens of at least length characters, as those
// of people in many groups are.
func (s *Server) IssueLongTokens(length int) *Fault {
	// The claims are written in base64, four characters for three.
	return s.claims(func(c *authority.Claims) { c.Padding = strings.Repeat("x", (max(0, length)*3+3)/4) })
}

func (s *Server) claims(rewrite func(*authority.Claims)) *Fault {
	return s.fault(func(turn *script.Turn) { s.identity.Hooks.Claims.Add(turn, rewrite) })
}

// IssueForgedTokens issues access tokens with a signature that is not the
// server's.
func (s *Server) IssueForgedTokens() *Fault { return s.condition(&s.identity.Hooks.BadSign) }

// IssueOpaqueTokens issues access tokens that are no JWTs, as those of personal
// accounts are. They are good.
func (s *Server) IssueOpaqueTokens() *Fault { return s.condition(&s.identity.Hooks.Opaque) }

// RewriteIDTokens changes what id_tokens say before they are signed.
func (s *Server) RewriteIDTokens(rewrite func(claims map[string]any)) *Fault {
	return s.fault(func(turn *script.Turn) { s.identity.Hooks.IDToken.Add(turn, rewrite) })
}

// RewriteTokenReplies changes what the replies to good token requests hold.
func (s *Server) RewriteTokenReplies(rewrite func(reply map[string]any)) *Fault {
	return s.fault(func(turn *script.Turn) { s.identity.Hooks.Reply.Add(turn, rewrite) })
}

// HandleTokenRequests lets handle answer token requests; it reports whether it
// did.
func (s *Server) HandleTokenRequests(handle func(w http.ResponseWriter, r *http.Request) bool) *Fault {
	return s.fault(func(turn *script.Turn) { s.identity.Hooks.Token.Add(turn, handle) })
}

// ThrottleTokens refuses token requests with status 429 and, if retryAfter is
// not zero, the Retry-After header.
func (s *Server) ThrottleTokens(retryAfter time.Duration) *Fault {
	return s.answerTokens(http.StatusTooManyRequests, retryAfter, "application/json",
		`{"error":"temporarily_unavailable","error_description":"AADSTS90055: There are too many incoming requests."}`)
}

// MakeTokensUnavailable refuses token requests with status 503, a page, and, if
// retryAfter is not zero, the Retry-After header.
func (s *Server) MakeTokensUnavailable(retryAfter time.Duration) *Fault {
	return s.answerTokens(http.StatusServiceUnavailable, retryAfter, "text/html",
		"<html><head><title>Service Unavailable</title></head><body>The service is unavailable.</body></html>")
}

// InterceptTokens answers token requests with status 200 and a page, as the
// portal of a guest network does.
func (s *Server) InterceptTokens() *Fault {
	return s.answerTokens(http.StatusOK, 0, "text/html",
		"<html><head><title>Welcome to our network</title></head><body>Please log in.</body></html>")
}

func (s *Server) answerTokens(status int, retryAfter time.Duration, contentType, body string) *Fault {
	return s.HandleTokenRequests(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", contentType)
		if retryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int((retryAfter+time.Second-1)/time.Second)))
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // a client that has left cannot be told
		return true
	})
}

// RedirectTokens answers token requests with status 307 and the same endpoint
// under another name. A client that follows it shows its secret again.
func (s *Server) RedirectTokens() *Fault {
	return s.HandleTokenRequests(func(w http.ResponseWriter, r *http.Request) bool {
		_, port, err := net.SplitHostPort(s.webAddr)
		if err != nil {
			return false
		}
		http.Redirect(w, r, "https://localhost:"+port+r.URL.Path, http.StatusTemporaryRedirect)
		return true
	})
}

// InflateTokenReplies answers token requests with a reply of size bytes that is
// well formed otherwise.
func (s *Server) InflateTokenReplies(size int) *Fault {
	return s.RewriteTokenReplies(func(reply map[string]any) {
		plain, err := json.Marshal(reply)
		if err != nil {
			return
		}
		reply["padding"] = strings.Repeat("x", max(size-len(plain), 0))
	})
}

// DelayTokens answers token requests after a while.
func (s *Server) DelayTokens(delay time.Duration) *Fault {
	return s.HandleTokenRequests(func(_ http.ResponseWriter, r *http.Request) bool {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
			return false
		case <-r.Context().Done():
			return true
		}
	})
}

// StallTokens never answers token requests.
func (s *Server) StallTokens() *Fault {
	return s.HandleTokenRequests(func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	})
}

// DropTokenRequests ends the connection instead of answering token requests.
func (s *Server) DropTokenRequests() *Fault {
	return s.HandleTokenRequests(func(http.ResponseWriter, *http.Request) bool {
		panic(http.ErrAbortHandler) // net/http's way to do that
	})
}

// CutTokenReplies ends the connection in the middle of the reply to token
// requests.
func (s *Server) CutTokenReplies() *Fault {
	return s.HandleTokenRequests(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "2000")
		_, _ = io.WriteString(w, `{"token_type":"Bearer","access_tok`) // the end in any case
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		panic(http.ErrAbortHandler)
	})
}
