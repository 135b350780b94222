package xoauth2_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/xoauth2/go-xoauth2"
)

func ExampleFileStore() {
	dir, err := os.MkdirTemp("", "") // a program takes os.UserConfigDir
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	app := &xoauth2.App{
		ClientID: "11111111-2222-3333-4444-555555555555",
		Store:    xoauth2.FileStore(filepath.Join(dir, "mail-program", "accounts")),
	}
	accounts, err := app.Store.Keys(context.Background())
	fmt.Println(len(accounts), err)
	// Output: 0 <nil>
}

// The key is kept where the records are not.
func ExampleEncryptedStore() {
	var key [32]byte
	rand.Read(key[:])              // a program takes it from a key ring, a vault, or a mounted secret
	files := xoauth2.MemoryStore() // or a FileStore
	store := xoauth2.EncryptedStore(files, key)

	ctx := context.Background()
	err := store.Update(ctx, "account", func([]byte) ([]byte, error) { return []byte("a refresh token"), nil })
	if err != nil {
		log.Fatal(err)
	}
	record, err := files.Load(ctx, "account")
	fmt.Println("readable in the files:", bytes.Contains(record, []byte("refresh")), err)
	value, err := store.Load(ctx, "account")
	fmt.Println("readable with the key:", string(value) == "a refresh token", err)
	// Output:
	// readable in the files: false <nil>
	// readable with the key: true <nil>
}

// Rotation replaces the key of an encrypted store, one record after the other.
// A program that still has the old key is told, at the records that are done,
// that they were sealed with another key.
func ExampleEncryptedStore_rotation() {
	ctx := context.Background()
	var oldKey, newKey [32]byte
	rand.Read(oldKey[:])
	rand.Read(newKey[:])

	inner := xoauth2.MemoryStore() // or a FileStore
	put := func(value []byte) func([]byte) ([]byte, error) {
		return func([]byte) ([]byte, error) { return value, nil }
	}
	if err := xoauth2.EncryptedStore(inner, oldKey).Update(ctx, "account", put([]byte("a token"))); err != nil {
		log.Fatal(err)
	}

	// reseal opens a record with the old key and seals it with the new one, in
	// a store that is thrown away.
	reseal := func(account string, record []byte) ([]byte, error) {
		if record == nil {
			return nil, nil // deleted since Keys
		}
		scratch := xoauth2.MemoryStore()
		if err := scratch.Update(ctx, account, put(record)); err != nil {
			return nil, err
		}
		value, err := xoauth2.EncryptedStore(scratch, oldKey).Load(ctx, account)
		if err != nil {
			return nil, err
		}
		scratch = xoauth2.MemoryStore()
		if err := xoauth2.EncryptedStore(scratch, newKey).Update(ctx, account, put(value)); err != nil {
			return nil, err
		}
		return scratch.Load(ctx, account)
	}
	accounts, err := inner.Keys(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, account := range accounts {
		err := inner.Update(ctx, account, func(record []byte) ([]byte, error) { return reseal(account, record) })
		if err != nil {
			log.Fatal(err)
		}
	}

	_, err = xoauth2.EncryptedStore(inner, oldKey).Load(ctx, "account")
	fmt.Println("old key works:", err == nil)
	value, err := xoauth2.EncryptedStore(inner, newKey).Load(ctx, "account")
	fmt.Println("new key works:", string(value) == "a token", err)
	// Output:
	// old key works: false
	// new key works: true <nil>
}
