"""What an analyst does with clickhouse-connect; the test compares what it prints."""
import os
import sys

import clickhouse_connect

host, port = sys.argv[1].split(":")
client = clickhouse_connect.get_client(host=host, port=int(port), username="reader", password=os.environ["READER_PASSWORD"])
frame = client.query("SELECT platform, sum(entries) AS n FROM hourly GROUP BY platform ORDER BY n DESC")
print(frame.column_names, frame.result_rows)
table = client.query_df("SELECT timestamp, action, account, target_ids, ip_address FROM entries ORDER BY id")
print(list(table.columns), len(table), table.groupby("action").size().to_dict())
print([row[0] for row in client.query("DESCRIBE TABLE hourly").result_rows])
print(client.query("SELECT comment FROM system.columns WHERE table = 'hourly' AND name = 'entries'").result_rows)
print(client.query("SELECT target_ids, ip_address FROM entries WHERE account = {who:String}", parameters={"who": "it's"}, settings={"max_threads": 1}).result_rows)
for name, attempt in (
    ("insert", lambda: client.insert("retention_default", [[1]], column_names=["days"])),
    ("secrets", lambda: client.query("SELECT * FROM secrets")),
    ("dead letters", lambda: client.query("SELECT * FROM dead_letters")),
    ("who erased", lambda: client.query("SELECT by, what FROM erasures")),
    ("drop", lambda: client.command("DROP TABLE activity")),
):
    try:
        print(name, attempt())
    except clickhouse_connect.driver.exceptions.DatabaseError as e:
        print(name, "refused" if "Code: 497." in str(e) or "Code: 164." in str(e) else e)
