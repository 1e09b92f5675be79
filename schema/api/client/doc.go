// Package client asks the services over HTTP. It is generated from openapi.yaml: a method for each operation, a type for what each
// takes and answers. A method returns the answer as it came, whatever its status; its caller decodes or streams it, and closes it.
package client
