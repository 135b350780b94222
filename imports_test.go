package xoauth2_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// libraryModules are all modules that a program gets by importing this one. To
// add one is a decision: is it well kept, is the job really not ours, and may
// its licence be combined with ours?
var libraryModules = []string{
	"github.com/cli/browser",             // opens the system's browser
	"github.com/emersion/go-imap/v2",     // what DialIMAP returns
	"github.com/emersion/go-message",     // of go-imap
	"github.com/emersion/go-sasl",        // the interfaces of SASL
	"github.com/emersion/go-smtp",        // what DialSMTP returns
	"github.com/go-jose/go-jose/v4",      // signs client assertions
	"github.com/gofrs/flock",             // locks between processes
	"github.com/xoauth2/go-xoauth2",      //
	"golang.org/x/crypto",                // of go-pkcs12
	"golang.org/x/oauth2",                // TokenSource
	"golang.org/x/sys",                   // of flock and browser
	"software.sslmate.com/src/go-pkcs12", // certificate files
}

// goPackage and goModule are what the go command tells.
type goPackage struct {
	ImportPath string
	Standard   bool
	Module     *goModule
}

type goModule struct {
	Path, Version, Dir string
	Main               bool
}

// goList runs go list and decodes its answer.
func goList[T any](t *testing.T, goos string, args ...string) []T {
	t.Helper()
	program, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not installed")
	}
	command := exec.Command(program, append([]string{"list", "-json"}, args...)...)
	command.Env = append(os.Environ(), "GOFLAGS=-mod=readonly -buildvcs=false")
	if goos != "" {
		command.Env = append(command.Env, "GOOS="+goos, "CGO_ENABLED=0")
	}
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list %q: %v: %s", args, err, stderr.String())
	}
	var all []T
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var one T
		if err := decoder.Decode(&one); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
}

func TestImports(t *testing.T) {
	t.Parallel()
	modules := make(map[string]bool)
	for _, goos := range []string{"linux", "darwin", "windows"} {
		for _, p := range goList[goPackage](t, goos, "-deps", ".") {
			if p.Module != nil {
				modules[p.Module.Path] = true
			}
			for _, unwanted := range []string{"/exchangetest", "/storetest", "/realserver", "/transcript", "/examples"} {
				if strings.Contains(p.ImportPath, unwanted) {
					t.Errorf("on %s the library imports %s, which is for tests", goos, p.ImportPath)
				}
			}
			if p.Standard && (p.ImportPath == "testing" || p.ImportPath == "net/http/httptest" || p.ImportPath == "plugin" || p.ImportPath == "C") {
				t.Errorf("on %s the library imports %s", goos, p.ImportPath)
			}
		}
	}
	for module := range modules {
		if !slices.Contains(libraryModules, module) {
			t.Errorf("the library depends on %s, which is new", module)
		}
	}
	for _, module := range libraryModules {
		if !modules[module] {
			t.Errorf("the library no longer depends on %s", module)
		}
	}
}

// licenceWords are words by which the licences are known that may be combined
// with the MIT licence.
var licenceWords = map[string]string{
	"MIT":        "Permission is hereby granted, free of charge, to any person obtaining a copy",
	"BSD":        "Redistribution and use in source and binary forms, with or without modification, are permitted",
	"Apache 2.0": "Apache License Version 2.0, January 2004",
}

// TestLicences looks at the licence of every module that the library, its
// tests and its examples are built from, and for the library's in the README.
func TestLicences(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, p := range goList[goPackage](t, "", "-deps", "-test", "./...") {
		if p.Module == nil || seen[p.Module.Path] {
			continue
		}
		seen[p.Module.Path] = true
		licence := readLicence(t, p.Module)
		if p.Module.Main && licence != "MIT" {
			t.Errorf("this module's licence is %q, want MIT", licence)
		}
		row := fmt.Sprintf("\n| `%s` | %s |", p.Module.Path, licence)
		listed := bytes.Contains(readme, []byte(row))
		if want := !p.Module.Main && slices.Contains(libraryModules, p.Module.Path); listed != want {
			t.Errorf("%s with the licence %s: listed in the README: %t, want %t", p.Module.Path, licence, listed, want)
		}
	}
	for _, module := range libraryModules {
		if !seen[module] {
			t.Errorf("the licence of %s was not looked at", module)
		}
	}
}

// readLicence returns the name of a module's licence.
func readLicence(t *testing.T, module *goModule) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(module.Dir, "LICEN[CS]E*"))
	if err != nil || len(files) == 0 {
		t.Errorf("%s has no licence: %v", module.Path, err)
		return ""
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(data)), " ")
	for _, name := range []string{"MIT", "BSD", "Apache 2.0"} {
		if strings.Contains(text, licenceWords[name]) {
			return name
		}
	}
	t.Errorf("%s has a licence that is not known to go with MIT's: %.200s", module.Path, text)
	return ""
}
