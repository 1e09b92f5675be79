package cmd_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/activitylog/activitylog/schema"
)

// face is an entry in the form of a dialect: %d is its number, %s its UUID, %x its UUID without dashes.
type face struct{ method, path, body, want string }

func (f face) of(id uint64) string {
	u := schema.UUID(id)
	return strings.NewReplacer("%d", fmt.Sprint(id), "%s", u.String(), "%x", hex.EncodeToString(u[:])).Replace(f.want)
}

// An entry is the same in every dialect, whichever dialect wrote it.
func TestOneEntryFourFaces(t *testing.T) {
	p := standalone(t)
	o := schema.Organization(schema.DefaultTenant)
	organization := hex.EncodeToString(o[:])
	for _, tt := range []struct {
		path, body string
		faces      []face
	}{
		{entries, `{"platform":"tiktok","serial":"device_serial_123","action_type":"post","action_detail":"Published video successfully","username":"user123","timestamp":1707725000,"details":{"likes":7}}`, []face{
			{"GET", entries + "?serial=device_serial_123", "", `{"id":%d,"platform":"tiktok","serial":"device_serial_123","action_type":"post","action_detail":"Published video successfully","username":"user123","timestamp":1707725000}`},
			{"POST", "/filterActivity", `{"serial":"device_serial_123"}`, `{"id":"act-%d","timestamp":1707725000000,"activityType":"post","details":{"userName":"user123","likes":7,"detail":"Published video successfully"},"platform":"tiktok","serial":"device_serial_123","username":"user123"}`},
			{"GET", "/actionlogs.json?Page=1&ItemsPerPage=10&TargetThingId=device_serial_123", "", `{"id":"%x","timestamp":1707725000000,"actionInitiator":"user123","action":{"N":"post"},"actionTargetThing":"device_serial_123","organizationId":"` + organization + `","information":"Published video successfully"}`},
			{"GET", "/api/v1/activity-logs/target/DEVICE/device_serial_123", "", `{"id":"%s","userId":null,"user":{"id":null,"username":"user123","name":null,"role":null},"action":"post","targetType":"DEVICE","targetId":"device_serial_123","details":{"likes":7,"detail":"Published video successfully"},"ipAddress":null,"userAgent":null,"layer":null,"requestId":null,"createdAt":"2024-02-12T08:03:20.000Z","platform":"tiktok","serial":"device_serial_123","username":"user123"}`},
		}},
		{"/api/v1/activity-logs", `{"action":"TASK_DONE","timestamp":"2024-03-15T10:00:00.123Z","userId":"7","user":{"username":"ana","name":"Ana Ruiz","kind":"business"},"targets":[{"type":"TASK","id":"t-1","name":"Sweep"},{"type":"USER","id":"8","name":"Bo"},{"type":"TASK_LIST","id":"l-1"},{"type":"THING","id":"broom"}],"detail":"swept","details":{"room":"hall"},"platform":"web","serial":"SN-1","ipAddress":"192.168.1.100","userAgent":"Mozilla/5.0","requestId":"req-9","layer":"api"}`, []face{
			{"GET", entries + "?serial=SN-1", "", `{"id":%d,"platform":"web","serial":"SN-1","action_type":"TASK_DONE","action_detail":"swept","username":"ana","timestamp":1710496800}`},
			{"POST", "/filterActivity", `{"userId":"7"}`, `{"id":"act-%d","timestamp":1710496800123,"activityType":"TASK_DONE","details":{"userId":"7","userName":"Ana Ruiz","userKind":"business","room":"hall","detail":"swept","targets":[{"type":"TASK","id":"t-1","name":"Sweep"},{"type":"USER","id":"8","name":"Bo"},{"type":"TASK_LIST","id":"l-1"},{"type":"THING","id":"broom"}]},"platform":"web","serial":"SN-1","username":"ana","ipAddress":"192.168.1.100","userAgent":"Mozilla/5.0","requestId":"req-9","layer":"api"}`},
			{"GET", "/actionlogs.json?Page=1&ItemsPerPage=10&BusinessUserId=7&TargetTaskId=t-1&TargetUserId=8&TargetTaskListId=l-1&TargetThingId=broom", "", `{"id":"%x","timestamp":1710496800123,"actionInitiator":"Ana Ruiz","action":{"N":"TASK_DONE"},"actionTargetThing":"broom","actionTargetUser":"Bo","organizationId":"` + organization + `","actionTargetTask":"Sweep","actionTargetTaskList":"l-1","information":"swept"}`},
			{"GET", "/api/v1/activity-logs/user/7", "", `{"id":"%s","userId":"7","user":{"id":"7","username":"ana","name":"Ana Ruiz","role":"business"},"action":"TASK_DONE","targetType":"TASK","targetId":"t-1","details":{"room":"hall","detail":"swept"},"ipAddress":"192.168.1.100","userAgent":"Mozilla/5.0","layer":"api","requestId":"req-9","createdAt":"2024-03-15T10:00:00.123Z","platform":"web","serial":"SN-1","username":"ana","targets":[{"type":"TASK","id":"t-1","name":"Sweep"},{"type":"USER","id":"8","name":"Bo"},{"type":"TASK_LIST","id":"l-1","name":null},{"type":"THING","id":"broom","name":null}]}`},
		}},
	} {
		id, position := p.write(t, tt.path, tt.body)
		for _, f := range tt.faces {
			r := mustRequest(t, f.method, "http://"+p.addr+f.path, f.body)
			r.Header.Set(schema.PositionHeader, position)
			status, got, _ := p.do(r)
			if shown := code.ReplaceAllString(got, `"action":{"N":`); status != http.StatusOK || !strings.Contains(shown, f.of(id)) {
				t.Errorf("%s, read by %s %s: got %d %s, want %s", tt.path, f.method, f.path, status, shown, f.of(id))
			}
		}
	}
}

// code is the number that the things dialect assigned to an action.
var code = regexp.MustCompile(`"action":\{"\d+":`)

// write posts an entry, and returns its number and its position.
func (p *process) write(t *testing.T, path, body string) (id uint64, position string) {
	t.Helper()
	status, answer, header := p.do(mustRequest(t, http.MethodPost, "http://"+p.addr+path, body))
	var written struct{ Data struct{ ID json.RawMessage } }
	err := json.Unmarshal([]byte(answer), &written)
	if status >= http.StatusMultipleChoices || err != nil {
		t.Fatalf("write to %s: %d %s, %v", path, status, answer, err)
	}
	if json.Unmarshal(written.Data.ID, &id) == nil {
		return id, header.Get(schema.PositionHeader)
	}
	var u uuid.UUID
	if err = json.Unmarshal(written.Data.ID, &u); err == nil {
		id, err = schema.IDOfUUID(u)
	}
	if err != nil {
		t.Fatalf("write to %s: %s, %v", path, answer, err)
	}
	return id, header.Get(schema.PositionHeader)
}
