// Package api is what all HTTP APIs of the services share: the status of each kind of error, the headers Retry-After,
// WWW-Authenticate and X-Request-Id, and the signal that a server is shutting down. Its packages are the contract that tests check
// every exchange against, a runner for recorded exchanges, and a generated client.
package api
