package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"github.com/ClickHouse/clickhouse-go/v2"
	kafkago "github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/internal/service"
	serviceclickhouse "github.com/activitylog/activitylog/cmd/internal/service/clickhouse"
	"github.com/activitylog/activitylog/cmd/internal/service/kafka"
)

// place is a server that a command talks to.
type place struct {
	name  string   // as the documents call it
	addrs []string // host:port
	where string   // variable that says where it is
	login string   // variables that say how to log in
}

func atKafka(c kafka.Config) place {
	return place{"Kafka", c.Brokers, "KAFKA_BROKERS", "KAFKA_SASL, KAFKA_USERNAME and KAFKA_PASSWORD"}
}

func atClickHouse(c serviceclickhouse.Config) place {
	p := place{name: "ClickHouse", where: "CLICKHOUSE_DSN", login: "CLICKHOUSE_DSN and CLICKHOUSE_PASSWORD"}
	if u, err := url.Parse(c.DSN.Reveal()); err == nil {
		p.addrs = []string{u.Host} // without user and password
	}
	return p
}

func (a asking) place() place {
	p := place{name: "the query service", where: "QUERY_URL", login: "QUERY_TOKEN"}
	if u, err := url.Parse(a.URL); err == nil {
		p.addrs = []string{u.Host}
	}
	return p
}

// placesOf returns the servers that a command has settings for.
func placesOf(c command) (all []place) {
	v := reflect.Indirect(reflect.ValueOf(c))
	for i := range v.NumField() {
		if !v.Type().Field(i).IsExported() {
			continue
		}
		switch s := v.Field(i).Interface().(type) {
		case kafka.Config:
			all = append(all, atKafka(s))
		case serviceclickhouse.Config:
			all = append(all, atClickHouse(s))
		case asking:
			all = append(all, s.place())
		}
	}
	return all
}

// failure is an error of a command, in words for its users.
type failure struct {
	text string
	err  error
}

func (f *failure) Error() string { return f.text }

func (f *failure) Unwrap() error { return f.err }

// explain says what went wrong at one of the servers, and what to try. envFile is the file of settings that was used, if any.
func explain(err error, places []place, envFile string) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	text := plain(err)
	if try := advice(err, places, envFile); try != "" {
		text += "\n  " + try
	}
	return &failure{text, err}
}

// Error codes of ClickHouse (ErrorCodes.cpp).
const (
	unknownTable         = 60
	unknownDatabase      = 81
	wrongPassword        = 193
	requiredPassword     = 194
	accessDenied         = 497
	authenticationFailed = 516
)

func advice(err error, places []place, envFile string) string {
	var ex *clickhouse.Exception
	known := errors.As(err, &ex)
	switch {
	case len(places) == 0:
		return ""
	case known && (ex.Code == unknownTable || ex.Code == unknownDatabase):
		return "The tables are missing: run activityctl migrate with the same settings."
	case known && (ex.Code == wrongPassword || ex.Code == requiredPassword || ex.Code == authenticationFailed):
		return "Check " + placeNamed(places, "ClickHouse").login + orFile(envFile)
	case errors.Is(err, kafkago.SASLAuthenticationFailed), errors.Is(err, kafkago.UnsupportedSASLMechanism), errors.Is(err, kafkago.IllegalSASLState):
		return "Check " + placeNamed(places, "Kafka").login + orFile(envFile)
	case !unreachable(err):
		return ""
	}
	p := placeOf(err, places)
	is := fmt.Sprintf("Is %s running at %s? ", p.name, strings.Join(p.addrs, ", "))
	if cutOff(err) {
		is += "It closed the connection: does it want a login or TLS? "
	}
	if envFile != "" {
		return is + envFile + " says where it was at the last start; " + p.where + " overrides it."
	}
	return is + "Try --env-file data/services.env, or set " + p.where + "."
}

func orFile(envFile string) string {
	if envFile != "" {
		return "; environment variables override " + envFile + "."
	}
	return ", or try --env-file data/services.env."
}

// unreachable reports whether err is of a connection, not of an answer or a file.
func unreachable(err error) bool {
	var answer kafkago.Error // has the methods of a net.Error, too, and so have the causes of the other two
	var path *fs.PathError
	var link *os.LinkError
	if errors.As(err, &answer) || errors.As(err, &path) || errors.As(err, &link) {
		return false
	}
	var dns *net.DNSError
	var network net.Error
	var notTLS tls.RecordHeaderError
	return errors.As(err, &dns) || errors.As(err, &network) || errors.As(err, &notTLS) || cutOff(err) || errors.Is(err, context.DeadlineExceeded)
}

func cutOff(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// placeOf returns the server that err is about: the one whose port it contains, otherwise the first.
func placeOf(err error, places []place) place {
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		_, port, _ := net.SplitHostPort(op.Addr.String())
		for _, p := range places {
			if slices.ContainsFunc(p.addrs, func(addr string) bool { return strings.HasSuffix(addr, ":"+port) }) {
				return p
			}
		}
	}
	return places[0]
}

func placeNamed(places []place, name string) place {
	return places[max(slices.IndexFunc(places, func(p place) bool { return p.name == name }), 0)]
}

// plain returns the text of err without the parts that libraries add for programmers, and with only the first line of a server's message.
func plain(err error) string {
	text := err.Error()
	var ex *clickhouse.Exception
	if errors.As(err, &ex) {
		first, _, _ := strings.Cut(ex.Message, "\n")
		text = strings.ReplaceAll(text, ex.Message, first)
	}
	return service.Plain(text)
}
