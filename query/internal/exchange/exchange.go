// Package exchange is schema/exchange under its earlier name.
package exchange

import "github.com/activitylog/activitylog/schema/exchange"

// Replay is exchange.Replay.
type Replay = exchange.Replay
