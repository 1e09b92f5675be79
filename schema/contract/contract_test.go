package contract_test

import (
	"testing"

	"github.com/activitylog/activitylog/schema/contract"
)

func TestDocument(t *testing.T) {
	d, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Operations()) == 0 {
		t.Error("the document has no operations")
	}
}
