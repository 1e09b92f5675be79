package schema

//go:generate protoc --proto_path=. --go_out=. --go_opt=module=github.com/activitylog/activitylog/schema --go-vtproto_out=. --go-vtproto_opt=module=github.com/activitylog/activitylog/schema,features=marshal+unmarshal+unmarshal_unsafe+size+pool,pool=github.com/activitylog/activitylog/schema/activitypb.ActivityBatch,pool=github.com/activitylog/activitylog/schema/activitypb.Chunk,pool=github.com/activitylog/activitylog/schema/activitypb.Entry activity.proto
//go:generate go test ./api/contract -run TestJSON -update
//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 --config=api/client/config.yaml openapi.yaml
