package schema

import _ "embed"

// OpenAPI is the description of all that the services offer over HTTP, OpenAPI 3.1 as YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte
