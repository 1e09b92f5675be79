package schema

import _ "embed"

// OpenAPI is the description of the services' HTTP APIs, as people edit it: OpenAPI 3.1 in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte

// OpenAPIJSON is OpenAPI in JSON, as services serve it.
//
//go:embed openapi.json
var OpenAPIJSON []byte
