"""Reads and writes through clickhouse-connect; the test compares what it prints."""
import os
import sys

import clickhouse_connect

host, port = sys.argv[1].split(":")
client = clickhouse_connect.get_client(host=host, port=int(port), username="default", password=os.environ["CLICKHOUSE_PASSWORD"], database=sys.argv[2])
rows = client.query("SELECT number, toString(number) FROM numbers(20000)").result_rows
print(len(rows), sum(row[0] for row in rows))
client.command("CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
client.insert("t", [[n, f"it's {n}"] for n in (1, 2, 3)], column_names=["a", "b"])
for a, b in client.query("SELECT a, b FROM t WHERE a >= {a:UInt64} ORDER BY a", parameters={"a": 2}).result_rows:
    print(a, b)
client.command("SET max_threads = 1")
client.command("DROP TABLE t")
try:
    client.query("SELEC 1")
except clickhouse_connect.driver.exceptions.DatabaseError as e:
    print("code 62" if "Code: 62." in str(e) else e)
