package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/xoauth2/go-xoauth2"
)

// download fetches the messages that are not among the account's files yet. It
// deletes nothing on the server.
func (d *desktop) download(ctx context.Context, account *xoauth2.Account) error {
	folder, err := d.folder(account.Username())
	if err != nil {
		return err
	}
	client, err := xoauth2.DialPOP3(ctx, account.Username(), account, d.options)
	if err != nil {
		return err
	}
	defer client.Close()
	stop := context.AfterFunc(ctx, func() { client.Close() }) // interrupts what goes on
	defer stop()
	err = d.retrieve(client, folder)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// folder makes the folder of an account, whose messages may have the UIDs of
// another's.
func (d *desktop) folder(username string) (string, error) {
	name := strings.ReplaceAll(url.QueryEscape(username), "%40", "@")
	if !filepath.IsLocal(name) {
		return "", fmt.Errorf("there can be no folder for the user name %q", username)
	}
	folder := filepath.Join(d.mail, name)
	return folder, os.MkdirAll(folder, 0o700)
}

func (d *desktop) retrieve(client *xoauth2.POP3Client, folder string) error {
	messages, err := client.List()
	if err != nil {
		return err
	}
	numbers, files, err := missing(messages, folder)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "Messages in the mailbox: %d, new: %d.\n", len(messages), len(numbers))
	if len(numbers) == 0 { // which RetrAll would take for all
		return client.Quit()
	}
	err = client.RetrAll(numbers, func(n int, message io.Reader) error {
		size, err := write(files[n], message)
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "  %s, %d octets\n", files[n], size)
		return nil
	})
	if err != nil {
		return err
	}
	return client.Quit()
}

// missing returns the numbers of the messages that are to be fetched, and the
// files for them. A file is named after the message's UID, which is the same in
// every session.
func missing(messages []xoauth2.POP3Message, folder string) (numbers []int, files map[int]string, err error) {
	files = make(map[int]string)
	for _, m := range messages {
		if m.UID == "" {
			return nil, nil, errors.New("the server has no UIDs, so nobody can tell which messages are new")
		}
		// The server chose the UID: escaped, it is no path.
		file := filepath.Join(folder, url.QueryEscape(m.UID)+".eml")
		_, err := os.Stat(file)
		if errors.Is(err, fs.ErrNotExist) {
			numbers = append(numbers, m.Number)
			files[m.Number] = file
		} else if err != nil {
			return nil, nil, err
		}
	}
	return numbers, files, nil
}

// write makes a file of a message. It appears when it is complete.
func write(file string, message io.Reader) (size int64, err error) {
	partial, err := os.CreateTemp(filepath.Dir(file), "*.part")
	if err != nil {
		return 0, err
	}
	defer os.Remove(partial.Name()) // in vain if all goes well
	size, err = io.Copy(partial, message)
	if err := errors.Join(err, partial.Close()); err != nil {
		return 0, err
	}
	return size, os.Rename(partial.Name(), file)
}
