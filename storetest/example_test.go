package storetest_test

import (
	"fmt"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/storetest"
)

func ExampleTestStore() {
	err := storetest.TestStore(func() xoauth2.TokenStore { return xoauth2.MemoryStore() }) // or one of your own
	fmt.Println(err)
	// Output: <nil>
}
