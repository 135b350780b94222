// Package mailstore keeps mailboxes in memory, for IMAP, POP3 and SMTP at once.
package mailstore

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

const inbox = "INBOX"

// Store is a set of mailboxes. It is safe for concurrent use.
type Store struct {
	mu    sync.Mutex
	boxes map[string]*Mailbox // by address in lower case
}

// New returns an empty Store.
func New() *Store { return &Store{boxes: make(map[string]*Mailbox)} }

// Open returns the mailbox of address, and makes it if there is none.
func (s *Store) Open(address string) *Mailbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	address = strings.ToLower(address)
	m := s.boxes[address]
	if m == nil {
		m = newMailbox(address)
		s.boxes[address] = m
	}
	return m
}

// Mailbox is one mailbox: an INBOX and further folders. Its folders are
// imapmemserver's; since that gives no message back, their octets are kept
// here as well. It is safe for concurrent use.
type Mailbox struct {
	user *imapmemserver.User

	mu      sync.Mutex
	octets  map[messageID][]byte
	changed chan struct{} // closed, and replaced, at every change
}

// messageID names a message for good, in whatever folder it is.
type messageID struct {
	validity uint32
	uid      imap.UID
}

func newMailbox(address string) *Mailbox {
	m := &Mailbox{
		user:    imapmemserver.NewUser(address, ""),
		octets:  make(map[messageID][]byte),
		changed: make(chan struct{}),
	}
	for _, name := range []string{inbox, "Drafts", "Sent Items", "Deleted Items"} {
		// It fails for a name that exists; these are four different ones.
		_ = m.user.Create(name, nil)
	}
	return m
}

// Message is one message of an INBOX.
type Message struct {
	ID     string // never used again
	Octets []byte

	uid imap.UID
}

// Deliver puts a message into the INBOX.
func (m *Mailbox) Deliver(octets []byte, at time.Time) error {
	_, err := m.add(inbox, bytes.Clone(octets), &imap.AppendOptions{Time: at})
	return err
}

// add appends to a folder and remembers the octets, which it keeps.
func (m *Mailbox) add(folder string, octets []byte, options *imap.AppendOptions) (*imap.AppendData, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, err := m.user.Append(folder, literal{bytes.NewReader(octets)}, options)
	if err != nil {
		return nil, err
	}
	m.octets[messageID{data.UIDValidity, data.UID}] = octets
	m.notifyLocked()
	return data, nil
}

// literal makes a reader one of IMAP's literals.
type literal struct{ *bytes.Reader }

// Inbox returns the messages of the INBOX, oldest first.
func (m *Mailbox) Inbox() ([]Message, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var messages []Message
	err := m.inInbox(func(view *imapmemserver.UserSession, validity uint32) error {
		uids, err := allUIDs(view)
		for _, uid := range uids {
			messages = append(messages, Message{
				ID:     fmt.Sprintf("%d.%d", validity, uid),
				Octets: m.octets[messageID{validity, uid}],
				uid:    uid,
			})
		}
		return err
	})
	return messages, err
}

// Delete removes messages from the INBOX. Those that are gone already do not
// matter.
func (m *Mailbox) Delete(messages []Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var uids imap.UIDSet
	for _, message := range messages {
		uids.AddNum(message.uid)
	}
	err := m.inInbox(func(view *imapmemserver.UserSession, _ uint32) error {
		return remove(view, uids)
	})
	m.notifyLocked()
	return err
}

// inInbox calls do with a view of the INBOX. m.mu must be held.
func (m *Mailbox) inInbox(do func(view *imapmemserver.UserSession, validity uint32) error) error {
	view := imapmemserver.NewUserSession(m.user)
	selected, err := view.Select(inbox, nil)
	if err != nil {
		return err
	}
	err = do(view, selected.UIDValidity)
	return firstError(err, view.Close())
}

// notifyLocked wakes those that wait for a change. m.mu must be held.
func (m *Mailbox) notifyLocked() {
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *Mailbox) notify() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notifyLocked()
}

// change returns a channel that is closed at the next change.
func (m *Mailbox) change() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

func firstError(errs ...error) error {
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i < 0 {
		return nil
	}
	return errs[i]
}
