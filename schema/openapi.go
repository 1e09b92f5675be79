package schema

import _ "embed"

// OpenAPI describes all that the services offer over HTTP: OpenAPI 3.1 as YAML, as it is written.
//
//go:embed openapi.yaml
var OpenAPI []byte

// OpenAPIJSON is OpenAPI as JSON, as it is served.
//
//go:embed openapi.json
var OpenAPIJSON []byte
