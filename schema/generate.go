package schema

//go:generate protoc --proto_path=. --go_out=. --go_opt=module=github.com/activitylog/activitylog/schema --go-vtproto_out=. --go-vtproto_opt=module=github.com/activitylog/activitylog/schema,features=marshal+unmarshal+unmarshal_unsafe+size+pool,pool=github.com/activitylog/activitylog/schema/activitypb.ActivityBatch,pool=github.com/activitylog/activitylog/schema/activitypb.Chunk,pool=github.com/activitylog/activitylog/schema/activitypb.Entry activity.proto
//go:generate go test ./contract -run TestJSON -update
