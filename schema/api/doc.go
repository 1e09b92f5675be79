// Package api is what every HTTP API of the services has in common: the status of an error's kind, the headers Retry-After,
// WWW-Authenticate and X-Request-Id, and the signal that tells a handler that its server is shutting down. Below it are the
// contract that each exchange of the tests is checked against, a runner for recorded exchanges, and a generated client.
package api
