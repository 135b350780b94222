package mailstore

import (
	"io"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// Session is an IMAP session of one mailbox. It is imapmemserver's, and keeps
// the mailbox informed of what it changes.
type Session struct {
	*imapmemserver.UserSession

	mailbox  *Mailbox
	validity uint32 // of the selected folder
}

var _ imapserver.SessionIMAP4rev2 = (*Session)(nil)

// Session returns a new session, in IMAP's authenticated state.
func (m *Mailbox) Session() *Session {
	return &Session{UserSession: imapmemserver.NewUserSession(m.user), mailbox: m}
}

// Login refuses: the session is for one who is logged in.
func (s *Session) Login(string, string) error { return imapserver.ErrAuthFailed }

// Select implements imapserver.Session.
func (s *Session) Select(folder string, options *imap.SelectOptions) (*imap.SelectData, error) {
	data, err := s.UserSession.Select(folder, options)
	if err != nil {
		return nil, err
	}
	s.validity = data.UIDValidity
	return data, nil
}

// Append implements imapserver.Session.
func (s *Session) Append(folder string, r imap.LiteralReader, options *imap.AppendOptions) (*imap.AppendData, error) {
	octets, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return s.mailbox.add(folder, octets, options)
}

// Store implements imapserver.Session.
func (s *Session) Store(w *imapserver.FetchWriter, set imap.NumSet, flags *imap.StoreFlags, options *imap.StoreOptions) error {
	defer s.mailbox.notify()
	return s.UserSession.Store(w, set, flags, options)
}

// Expunge implements imapserver.Session.
func (s *Session) Expunge(w *imapserver.ExpungeWriter, uids *imap.UIDSet) error {
	defer s.mailbox.notify()
	return s.UserSession.Expunge(w, uids)
}

// Copy implements imapserver.Session.
func (s *Session) Copy(set imap.NumSet, folder string) (*imap.CopyData, error) {
	s.mailbox.mu.Lock()
	defer s.mailbox.mu.Unlock()
	data, err := s.UserSession.Copy(set, folder)
	if err != nil {
		return nil, err
	}
	s.mailbox.copied(s.validity, data)
	s.mailbox.notifyLocked()
	return data, nil
}

// Move implements imapserver.SessionMove: it copies and removes.
// imapmemserver's own, of go-imap v2.0.0-beta.8, reports each removal twice.
func (s *Session) Move(w *imapserver.MoveWriter, set imap.NumSet, folder string) error {
	data, err := s.Copy(set, folder)
	if err != nil {
		return err
	}
	if err := w.WriteCopyData(data); err != nil {
		return err
	}
	defer s.mailbox.notify()
	return remove(s.UserSession, data.SourceUIDs)
}

// Idle implements imapserver.Session. imapmemserver's own, of go-imap
// v2.0.0-beta.8, keeps to itself what changed before it began.
func (s *Session) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	for {
		change := s.mailbox.change()
		if err := s.Poll(w, true); err != nil {
			return err
		}
		select {
		case <-change:
		case <-stop:
			return nil
		}
	}
}

// copied remembers the octets of copies. m.mu must be held.
func (m *Mailbox) copied(validity uint32, data *imap.CopyData) {
	from, _ := data.SourceUIDs.Nums()
	to, _ := data.DestUIDs.Nums()
	for i := range min(len(from), len(to)) {
		m.octets[messageID{data.UIDValidity, to[i]}] = m.octets[messageID{validity, from[i]}]
	}
}

// allUIDs returns the UIDs of all messages of the selected folder.
func allUIDs(view *imapmemserver.UserSession) ([]imap.UID, error) {
	found, err := view.Search(imapserver.NumKindUID, new(imap.SearchCriteria), new(imap.SearchOptions))
	if err != nil {
		return nil, err
	}
	set, _ := found.All.(imap.UIDSet)
	uids, _ := set.Nums()
	return uids, nil
}

// remove deletes messages of the selected folder for good.
func remove(view *imapmemserver.UserSession, uids imap.UIDSet) error {
	if len(uids) == 0 {
		return nil
	}
	deleted := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
	if err := view.Store(nil, uids, deleted, new(imap.StoreOptions)); err != nil {
		return err
	}
	return view.Expunge(nil, &uids)
}
