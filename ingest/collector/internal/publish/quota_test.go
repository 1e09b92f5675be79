package publish

import (
	"errors"
	"strconv"
	"testing"

	"github.com/activitylog/activitylog/schema"
)

func TestQuotaForgetsTheTenantUsedLongestAgo(t *testing.T) {
	q := newQuota(0.001, 1)
	if err := q.admit("first", 1); err != nil {
		t.Fatal(err)
	}
	for i := range maxTenants {
		if err := q.admit(strconv.Itoa(i), 1); err != nil {
			t.Fatal(err)
		}
		if i == maxTenants/2 { // a refused request counts as use
			if err := q.admit("first", 1); !errors.Is(err, schema.ErrRateLimited) {
				t.Fatalf("beyond the burst: %v", err)
			}
		}
	}
	if err := q.admit("first", 1); !errors.Is(err, schema.ErrRateLimited) {
		t.Errorf("a tenant seen lately was forgotten: %v", err)
	}
	if err := q.admit("0", 1); err != nil {
		t.Errorf("the tenant seen longest ago was not forgotten: %v", err)
	}
	if got := q.tenants.Len(); got != maxTenants {
		t.Errorf("%d tenants are remembered, want %d", got, maxTenants)
	}
	if err := newQuota(0, 1).admit("a", 1<<30); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}
