package authority

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"
)

// device is one sign-in from a machine without a browser (RFC 8628).
type device struct {
	app      *App
	userCode string
	scopes   scopes
	tenant   string
	expiry   time.Time

	// Guarded by Server.mu.
	interval time.Duration
	polled   time.Time
	user     *User // who approved it; nil: nobody yet
	declined bool
}

// deviceCode is the device authorization endpoint (RFC 8628, section 3.1).
func (s *Server) deviceCode(c *call) {
	if scripted(&s.Hooks.Device, c.w, c.r) {
		return
	}
	wanted, err := c.readDeviceRequest()
	if err != nil {
		c.refuse(err)
		return
	}
	value, d := c.newDevice(wanted)
	where := s.base + "/devicelogin"
	c.reply(http.StatusOK, map[string]any{
		"device_code":      value,
		"user_code":        d.userCode,
		"verification_uri": where,
		"expires_in":       int(deviceLifetime / time.Second),
		"interval":         int(d.interval / time.Second),
		"message":          "To sign in, use a web browser to open the page " + where + " and enter the code " + d.userCode + " to authenticate.",
	})
}

func (c *call) readDeviceRequest() (scopes, *Error) {
	if c.r.Method != http.MethodPost {
		return scopes{}, c.fail(900561)
	}
	if err := c.locate(); err != nil {
		return scopes{}, err
	}
	if err := c.findApp(); err != nil {
		return scopes{}, err
	}
	if number, ok := c.Hooks.RefuseDevice.Next(); ok {
		return scopes{}, c.fail(number)
	}
	if c.form.Get("scope") == "" {
		return scopes{}, c.fail(900144)
	}
	wanted := parseScopes(c.form.Get("scope"))
	return wanted, wanted.check(c)
}

func (c *call) newDevice(wanted scopes) (value string, d *device) {
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	d = &device{
		app:      c.app,
		userCode: userCode(),
		scopes:   wanted,
		tenant:   c.tenant,
		expiry:   now.Add(deviceLifetime),
		interval: c.interval,
	}
	value = "D" + randomText() + randomText()
	c.devices[value] = d
	c.keepSecret(value)
	return value, d
}

// userCode returns a code that is easy to type (RFC 8628, section 6.1).
func userCode() string {
	const letters = "BCDFGHJKLMNPQRSTVWXZ"
	b := make([]byte, 9)
	_, _ = rand.Read(b) // never fails, by its documentation
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b)
}

// redeemDevice answers a poll (RFC 8628, section 3.5).
func (c *call) redeemDevice() (*grant, *Error) {
	value := c.form.Get("device_code")
	if value == "" {
		return nil, c.fail(900144, "{parameter}", "device_code")
	}
	c.mu.Lock()
	d := c.devices[value]
	c.mu.Unlock()
	now := c.Now()
	switch {
	case d == nil || d.app != c.app:
		return nil, c.fail(70018)
	case !now.Before(d.expiry):
		return nil, c.fail(70019)
	case c.tooFast(d, now) || c.Hooks.SlowDown.Happens():
		err := c.fail(70016)
		err.Code, err.Text = "slow_down", "OAuth 2.0 device flow error. Polls come too fast: add five seconds to the interval."
		return nil, err
	}
	user, declined := c.approval(d)
	switch {
	case declined:
		err := c.fail(70018)
		err.Code = "authorization_declined"
		return nil, err
	case user == nil:
		return nil, c.fail(70016)
	}
	return c.finishDevice(value, d, user)
}

// tooFast reports whether a poll comes before its time; the next one then has
// to wait five seconds more.
func (c *call) tooFast(d *device, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	// Timers are not exact: a quarter of the interval is forgiven.
	early := !d.polled.IsZero() && now.Sub(d.polled) < d.interval*3/4
	d.polled = now
	if early {
		d.interval += 5 * time.Second
	}
	return early
}

// approval returns who approved a device, or that it was declined. A prepared
// answer counts as both are made.
func (c *call) approval(d *device) (user *User, declined bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.user != nil || d.declined {
		return d.user, d.declined
	}
	prepared, ok := c.takeAnswer()
	switch {
	case ok && prepared.declined:
		d.declined = true
	case ok:
		d.user = c.addUser(prepared.username)
	}
	return d.user, d.declined
}

func (c *call) finishDevice(value string, d *device, user *User) (*grant, *Error) {
	if err := c.checkAccount(user); err != nil {
		return nil, err
	}
	c.grantConsent(user, d.scopes)
	wanted, err := c.narrow(d.scopes, user)
	if err != nil {
		return nil, err
	}
	earned := &grant{app: c.app, user: user, scopes: wanted}
	if d.scopes.has("offline_access") {
		earned.family = &family{app: c.app, user: user, scopes: d.scopes}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.devices, value)
	return earned, nil
}

// deviceLogin is the page on which a user enters the code that a device shows.
func (s *Server) deviceLogin(c *call) {
	reply, ok := c.interactDevice()
	if !ok {
		c.showDevice("")
		return
	}
	c.showDevice(c.approve(strings.ToUpper(strings.TrimSpace(c.form.Get("code"))), reply))
}

func (c *call) interactDevice() (answer, bool) {
	if c.r.Method != http.MethodPost {
		return answer{}, false
	}
	return answer{
		username: strings.TrimSpace(c.r.PostForm.Get("username")),
		declined: c.r.PostForm.Get("action") == "cancel",
	}, true
}

// approve decides about a device, and returns what to tell the user.
func (c *call) approve(userCode string, reply answer) string {
	user := c.user(reply.username)
	if user == nil && !reply.declined {
		return "There is no account of that name."
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.devices {
		if d.userCode != userCode {
			continue
		}
		d.user, d.declined = user, reply.declined
		if reply.declined {
			return "You declined. You can close this window."
		}
		return "You are signed in on your device. You can close this window."
	}
	return "That code is not known. It may have expired."
}
