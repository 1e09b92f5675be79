package logs_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/schema"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
	"github.com/activitylog/activitylog/schema/logs"
)

// bed is a broker, tables, and a producer that stores what it writes as a consumer does.
type bed struct {
	t      *testing.T
	broker *testbed.Broker
	client *kafka.Client
	conn   driver.Conn
	id     uint64
	clock  int64 // Unix ms; no two entries were received at the same time
}

func newBed(t *testing.T) *bed {
	t.Helper()
	opts, err := clickhouse.ParseDSN(testbed.ClickHouse(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tables.Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	broker := testbed.Kafka(t, 2)
	return &bed{t: t, broker: broker, client: broker.Client(), conn: conn, clock: time.Now().UnixMilli()}
}

func (b *bed) pair() *logs.Pair {
	return &logs.Pair{Client: b.broker.Client(), Topic: b.broker.Topic(), Conn: b.conn}
}

// lease takes a block of ids.
func (b *bed) lease(log *schemakafka.Log) {
	b.t.Helper()
	b.id = (log.FirstBlock+uint64(b.produce(schemakafka.IDs(b.broker.Topic()), 0, []byte{1})))*schema.IDBlock + 1
}

// write appends a record of n entries, and returns its offset.
func (b *bed) write(partition, n int) (offset int64, first uint64, received int64) {
	b.t.Helper()
	b.clock++
	var c schema.Chunk
	c.Reset("acme", b.clock)
	for i := range n {
		c.Add(&schema.Entry{Timestamp: b.clock, Action: fmt.Sprintf("action-%d", i)}, nil)
	}
	c.Seal(b.id)
	first = b.id
	b.id += uint64(n)
	return b.produce(b.broker.Topic(), partition, schema.AppendChunk(schema.AppendRecordHeader(nil), &c)), first, b.clock
}

// store writes records of two entries each and stores them.
func (b *bed) store(log *schemakafka.Log, partition, records int) {
	b.t.Helper()
	for range records {
		offset, first, received := b.write(partition, 2)
		absolute := log.Absolute(partition, offset)
		b.exec(`INSERT INTO activity (tenant, timestamp, id, received_at, action, kpart, koff, kidx)
SELECT 'acme', fromUnixTimestamp64Milli(toInt64(?)), ? + number, fromUnixTimestamp64Milli(toInt64(?)), 'a', ?, ?, number FROM numbers(2)`, received, first, received, partition, absolute)
		b.exec("INSERT INTO by_entity (tenant, kind, entity, hour, received, koff_to, n) SELECT '', '', toString(?), 0, today(), ?, 0", partition, absolute)
	}
}

func (b *bed) exec(query string, args ...any) {
	b.t.Helper()
	if err := b.conn.Exec(b.t.Context(), query, args...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) produce(topic string, partition int, value []byte) int64 {
	b.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		res, err := b.client.Produce(b.t.Context(), &kafka.ProduceRequest{
			Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll,
			Records: kafka.NewRecordReader(kafka.Record{Time: time.UnixMilli(b.clock), Value: kafka.NewBytes(value)}),
		})
		if err == nil {
			err = res.Error
		}
		if err == nil {
			return res.BaseOffset
		}
		if time.Now().After(deadline) {
			b.t.Fatal(err)
		}
	}
}

func (b *bed) commit(partition int, offset int64) {
	b.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		res, err := b.client.OffsetCommit(b.t.Context(), &kafka.OffsetCommitRequest{
			GroupID: schemakafka.Group(b.broker.Topic()), GenerationID: -1,
			Topics: map[string][]kafka.OffsetCommit{b.broker.Topic(): {{Partition: partition, Offset: offset}}},
		})
		if err == nil {
			err = res.Topics[b.broker.Topic()][0].Error
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatal(err)
		}
	}
}

func (b *bed) belongs() *schemakafka.Log {
	b.t.Helper()
	log, err := b.pair().Check(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	if state := b.state(); !state.Confirmed || state.Log.ID != log.ID {
		b.t.Fatalf("the collectors are told %+v, want that log %v belongs to the tables", state, log)
	}
	return log
}

// refused checks that the log is refused for a reason with all of these texts, by the collectors as well.
func (b *bed) refused(parts ...string) {
	b.t.Helper()
	_, err := b.pair().Check(b.t.Context())
	var e *schemakafka.LogError
	if !errors.As(err, &e) || !e.Refused {
		b.t.Fatalf("got %v, want a refusal", err)
	}
	for _, part := range append(parts, schemakafka.AdoptCommand) {
		if !strings.Contains(e.Why, part) {
			b.t.Errorf("got %q, want it to say %q", e.Why, part)
		}
	}
	if state := b.state(); state.Confirmed || state.Refused != e.Why {
		b.t.Errorf("the collectors are told %+v, want %q", state, e.Why)
	}
}

func (b *bed) state() schemakafka.LogState {
	b.t.Helper()
	state, err := schemakafka.NewLogReader(b.broker.Client(), b.broker.Topic()).Read(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return state
}

// adopt makes Kafka's log the tables' log, and checks that its ids and offsets lie above what the tables have.
func (b *bed) adopt() *schemakafka.Log {
	b.t.Helper()
	plan, err := b.pair().Plan(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, point := range []string{logs.AfterTopic, logs.AfterTable} {
		cut := errors.New("cut off " + point)
		if err := b.pair().Adopt(b.t.Context(), plan, func(at string) error {
			if at == point {
				return cut
			}
			return nil
		}); !errors.Is(err, cut) {
			b.t.Fatalf("Adopt() = %v, want it cut off %s", err, point)
		}
		if point == logs.AfterTopic {
			b.refused("cut off")
			if plan, err = b.pair().Plan(b.t.Context()); err != nil || !plan.Begun {
				b.t.Fatalf("the plan of another run: %+v, %v, want to complete the first", plan, err)
			}
		}
	}
	log := b.belongs()
	if log.ID != plan.Next.ID {
		b.t.Fatalf("got log %v, want %v", log, &plan.Next)
	}
	if _, err := b.pair().Plan(b.t.Context()); !errors.Is(err, logs.ErrNothingToAdopt) {
		b.t.Errorf("another run: %v, want %v", err, logs.ErrNothingToAdopt)
	}
	var id, offset uint64
	if err := b.conn.QueryRow(b.t.Context(), "SELECT max(id), max(koff) FROM activity").Scan(&id, &offset); err != nil {
		b.t.Fatal(err)
	}
	if b.lease(log); b.id <= id {
		b.t.Errorf("the next id is %d, the tables have %d", b.id, id)
	}
	for partition := range 2 {
		end, err := schemakafka.Reader{Client: b.broker.Client(), Topic: b.broker.Topic(), Partition: partition}.End(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if at := log.Absolute(partition, end); at <= int64(offset) {
			b.t.Errorf("the next offset of partition %d is %d, the tables have %d", partition, at, offset)
		}
	}
	return log
}

func TestNewTablesTakeTheirFirstLog(t *testing.T) {
	b := newBed(t)
	b.broker.ForgetLog()
	log := b.belongs()
	b.lease(log)
	b.store(log, 0, 3)
	if again := b.belongs(); again.ID != log.ID {
		t.Errorf("got log %v, want still %v", again, log)
	}
	if _, err := b.pair().Plan(t.Context()); !errors.Is(err, logs.ErrNothingToAdopt) {
		t.Errorf("Plan() = %v, want %v", err, logs.ErrNothingToAdopt)
	}
}

func TestAnotherBrokerUnderTheSameTables(t *testing.T) {
	b := newBed(t)
	first := b.belongs()
	b.lease(first)
	b.store(first, 0, 5)
	b.store(first, 1, 3)
	b.broker.Replace()
	b.broker.CreateTopics()
	b.refused(first.ID.String(), "Put the Kafka of the former back")
	b.refused(b.state().Log.ID.String())
	second := b.adopt()
	if second.Absolute(0, 0) != schemakafka.EpochStep || second.FirstCode == 0 || second.Origin != second.ID {
		t.Errorf("got %+v, want offsets above those of the first", second)
	}
	b.store(second, 0, 2)
	b.broker.Replace()
	b.broker.CreateTopics()
	b.refused(second.ID.String())
	if third := b.adopt(); third.Absolute(1, 7) != 2*schemakafka.EpochStep+7 || third.FirstBlock <= second.FirstBlock {
		t.Errorf("got %+v, want ids and offsets above those of the second", third)
	}
}

// A Kafka that returns after another one replaced it still has the record that confirmed its log.
func TestAnEarlierLogOfTheTables(t *testing.T) {
	b := newBed(t)
	first := b.belongs()
	b.lease(first)
	b.store(first, 0, 5)
	restore := b.broker.Save()
	b.broker.Replace()
	b.broker.CreateTopics()
	second := b.adopt()
	restore()
	b.refused(first.ID.String(), second.ID.String(), "Put the Kafka of the former back")
}

func TestATopicThatWasMadeAnew(t *testing.T) {
	for name, topic := range map[string]func(string) string{
		"entries": func(topic string) string { return topic }, "leases": schemakafka.IDs,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			log := b.belongs()
			b.lease(log)
			b.store(log, 0, 5)
			b.broker.DeleteTopic(topic(b.broker.Topic()))
			b.refused("topic " + topic(b.broker.Topic()) + " is missing")
			b.broker.CreateTopics()
			b.refused("topic " + topic(b.broker.Topic()) + " was recreated")
			next := b.adopt()
			if same := name == "leases"; (next.Origin == log.Origin) != same || next.FirstCode != 0 {
				t.Errorf("got %+v after %+v", next, log)
			}
			if got := next.Absolute(0, 4); name == "leases" && got != 4 {
				t.Errorf("got the absolute offset %d of an entry that is stored at 4", got)
			}
		})
	}
}

// The topic of the log can be lost: the topics of entries and of leases are recognized by their ids.
func TestTheTopicOfTheLogWasMadeAnew(t *testing.T) {
	b := newBed(t)
	log := b.belongs()
	b.lease(log)
	b.store(log, 0, 5)
	b.broker.ForgetLog()
	if again := b.belongs(); again.ID != log.ID {
		t.Errorf("got log %v, want %v", again, log)
	}
}

// If the topic of action codes is lost as well, this is noticed.
func TestTheTopicsOfTheLogAndOfActionsWereMadeAnew(t *testing.T) {
	b := newBed(t)
	log := b.belongs()
	b.lease(log)
	b.store(log, 0, 5)
	b.broker.DeleteTopic(schemakafka.Actions(b.broker.Topic()))
	b.broker.ForgetLog()
	if again := b.belongs(); again.ID != log.ID {
		t.Errorf("got log %v, want %v", again, log)
	}
	plan, err := b.pair().Plan(t.Context())
	if err != nil || !plan.CodesOnly {
		t.Errorf("Plan() = %+v, %v, want one for the codes", plan, err)
	}
}

// Topics whose ids cannot be noted could be recreated unnoticed.
func TestNoLogBeginsBeforeAllTopicsAreThere(t *testing.T) {
	for _, topic := range []func(string) string{schemakafka.IDs, schemakafka.LogTopic, schemakafka.Actions} {
		b := newBed(t)
		b.broker.ForgetLog()
		name := topic(b.broker.Topic())
		b.broker.DeleteTopic(name)
		if _, err := b.pair().Check(t.Context()); err == nil || schemakafka.IsLogError(err) || !strings.Contains(err.Error(), "topic "+name+": \"activityctl topics\"") {
			t.Errorf("Check() = %v, want that topic %s has to be created", err, name)
		}
		b.broker.CreateTopics()
		b.belongs()
	}
}

func TestKafkaFromAnOlderBackup(t *testing.T) {
	b := newBed(t)
	log := b.belongs()
	b.lease(log)
	b.store(log, 0, 5)
	b.commit(0, 5)
	restore := b.broker.Save()
	b.lease(log)
	b.store(log, 0, 5)
	b.store(log, 1, 5)
	restore()
	b.refused("leases block 1 next", "of block 1")
	unstored, _, _ := b.write(0, 2) // at an offset that the tables have
	next := b.adopt()
	for _, c := range []struct {
		partition    int
		offset, want int64
	}{{0, 4, 4}, {0, unstored, schemakafka.EpochStep + unstored}, {1, 0, schemakafka.EpochStep}} {
		if got := next.Absolute(c.partition, c.offset); got != c.want {
			t.Errorf("partition %d: got %d for offset %d, want %d", c.partition, got, c.offset, c.want)
		}
	}
	if next.Origin != log.Origin {
		t.Errorf("got %+v, want what was committed to hold", next)
	}
}

// Tables of a version without log identities belong to the log that has their entries.
func TestTablesThatKnowNoLog(t *testing.T) {
	b := newBed(t)
	log := b.belongs()
	b.lease(log)
	b.store(log, 0, 5)
	b.exec("TRUNCATE TABLE logs")
	b.broker.ForgetLog()
	if again := b.belongs(); again.ID == log.ID {
		t.Fatal("the log was not forgotten, so that this test has no power")
	}
	for name, change := range map[string]func(){
		"other entries": func() {
			for range 10 {
				b.write(0, 2)
			}
		},
		"fewer records": func() { b.write(0, 2) },
		"none":          func() {},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			log := b.belongs()
			b.lease(log)
			b.store(log, 0, 5)
			b.exec("TRUNCATE TABLE logs")
			b.broker.Replace()
			b.broker.CreateTopics()
			b.lease(log)
			b.lease(log)
			change()
			b.refused("the tables hold entries of another log than Kafka")
			if next := b.adopt(); next.Absolute(0, 0) != schemakafka.EpochStep {
				t.Errorf("got %+v, want offsets above those of the tables", next)
			}
		})
	}
}

func TestEmptyTablesBelongToTheLogThatTheyHad(t *testing.T) {
	b := newBed(t)
	log := b.belongs()
	b.lease(log)
	b.store(log, 0, 5)
	for _, table := range []string{"logs", "activity", "by_entity", "by_kind"} {
		b.exec("TRUNCATE TABLE " + table)
	}
	if again := b.belongs(); again.ID != log.ID {
		t.Errorf("got log %v, want %v", again, log)
	}
}

// A consumer with other tables does not stop the collectors of these tables.
func TestTablesOfAnotherInstallation(t *testing.T) {
	b, other := newBed(t), newBed(t)
	log := b.belongs()
	otherLog := other.belongs()
	other.lease(otherLog)
	other.store(otherLog, 0, 1)
	mixed := &logs.Pair{Client: b.client, Topic: b.broker.Topic(), Conn: other.conn}
	if _, err := mixed.Check(t.Context()); !schemakafka.IsLogError(err) {
		t.Errorf("got %v, want a refusal", err)
	}
	if state := b.state(); !state.Confirmed || state.Log.ID != log.ID {
		t.Errorf("got %+v, want the log to belong to its own tables", state)
	}
}

// Other tables adopt a log, and its own tables take it back. Deletes that were written for its own tables mean these again.
func TestALogThatOtherTablesHadMeanwhile(t *testing.T) {
	b, other := newBed(t), newBed(t)
	log := b.belongs()
	b.lease(log)
	b.store(log, 0, 3)
	otherLog := other.belongs()
	other.lease(otherLog)
	other.store(otherLog, 0, 1)
	mixed := &bed{t: t, broker: b.broker, client: b.client, conn: other.conn, clock: b.clock}
	if adopted := mixed.adopt(); adopted.Foreign == 0 {
		t.Errorf("got %v, want that its deletes name offsets of other tables", adopted)
	}
	back := b.adopt()
	if back.Foreign != 0 {
		t.Errorf("got Foreign %d, want 0: the deletes name offsets of these tables", back.Foreign)
	}
	if got := back.Absolute(0, 2); got != log.Absolute(0, 2) {
		t.Errorf("record 2: got offset %d, want %d as before", got, log.Absolute(0, 2))
	}
}

// Many consumers with new tables and two Kafkas: the tables belong to one log.
func TestTwoLogsAtOnce(t *testing.T) {
	b, other := newBed(t), newBed(t)
	results := make(chan error, 8)
	for i := range cap(results) {
		p := &logs.Pair{Client: b.client, Topic: b.broker.Topic(), Conn: b.conn}
		if i%2 == 1 {
			p.Client = other.client
		}
		go func() {
			_, err := p.Check(t.Context())
			results <- err
		}()
	}
	belong := 0
	for range cap(results) {
		if err := <-results; err == nil {
			belong++
		}
	}
	if belong == 0 || belong > cap(results)/2 {
		t.Errorf("%d of %d checks say that the tables are theirs, want those of one log", belong, cap(results))
	}
}

// If only the topic of actions was recreated, only the codes of actions start again.
func TestTheTopicOfActionsWasMadeAnew(t *testing.T) {
	b := newBed(t)
	log := b.belongs()
	b.lease(log)
	b.store(log, 0, 3)
	b.broker.DeleteTopic(schemakafka.Actions(b.broker.Topic()))
	if _, err := b.pair().Plan(t.Context()); err == nil || !strings.Contains(err.Error(), "activityctl topics") {
		t.Errorf("Plan() = %v, want that the topic has to be created", err)
	}
	b.broker.CreateTopics()
	b.belongs()
	plan, err := b.pair().Plan(t.Context())
	if err != nil || !plan.CodesOnly || !strings.Contains(plan.Why, ".actions was recreated") {
		t.Fatalf("Plan() = %+v, %v, want one for the codes", plan, err)
	}
	if err := b.pair().Adopt(t.Context(), plan, nil); err != nil {
		t.Fatal(err)
	}
	next := b.belongs()
	if next.FirstCode <= log.FirstCode || next.FirstBlock != log.FirstBlock || next.Absolute(0, 2) != 2 || next.Origin != log.Origin {
		t.Errorf("got %+v, want only other codes than %+v", next, log)
	}
	if _, err := b.pair().Plan(t.Context()); !errors.Is(err, logs.ErrNothingToAdopt) {
		t.Errorf("Plan() = %v, want %v", err, logs.ErrNothingToAdopt)
	}
}
