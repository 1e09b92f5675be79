// Package client calls the services over HTTP. It is generated from openapi.yaml: a method for each operation, and types for
// parameters and bodies. A method returns the response as it came, whatever its status; the caller decodes or streams the body and
// closes it.
package client
