package schema

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func TestUUIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Uint64Range(0, MaxID).Draw(t, "a"), rapid.Uint64Range(0, MaxID).Draw(t, "b")
		u := UUID(a)
		if got, err := IDOfUUID(u); err != nil || got != a {
			t.Fatalf("IDOfUUID(UUID(%d)) = %d, %v", a, got, err)
		}
		if u.Version() != 8 || u.Variant() != uuid.RFC4122 {
			t.Fatalf("UUID(%d) = %s: version %d, variant %s", a, u, u.Version(), u.Variant())
		}
		if (a < b) != (u.String() < UUID(b).String()) {
			t.Fatalf("order of %d, %d is not that of %s, %s", a, b, u, UUID(b))
		}
	})
}

func TestIDOfUUIDRefusesForeign(t *testing.T) {
	for _, u := range []uuid.UUID{{}, uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057"), uuid.Max} {
		if id, err := IDOfUUID(u); err == nil {
			t.Errorf("IDOfUUID(%s) = %d, want an error", u, id)
		}
	}
}

// FuzzIDOfUUID checks that each id is contained in exactly one UUID.
func FuzzIDOfUUID(f *testing.F) {
	for _, id := range []uint64{0, 1, IDBlock, MaxID} {
		u := UUID(id)
		f.Add(u[:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := uuid.FromBytes(b)
		if err != nil {
			return
		}
		id, err := IDOfUUID(u)
		switch {
		case err != nil && !errors.Is(err, ErrInvalid):
			t.Fatalf("IDOfUUID(%s): %v is of no kind", u, err)
		case err == nil && (id > MaxID || UUID(id) != u):
			t.Fatalf("IDOfUUID(%s) = %d, whose UUID is %s", u, id, UUID(id))
		}
	})
}
