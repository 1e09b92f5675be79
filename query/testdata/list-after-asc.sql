SELECT id, timestamp, action, platform, device, actor_id, actor_name, detail
FROM activity
WHERE tenant = {tenant:String}
  AND timestamp >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
  AND received_at >= {floor:Date}
  AND (timestamp > fromUnixTimestamp64Milli({after:Int64}, 'UTC') OR id > {id:UInt64})
ORDER BY timestamp ASC, id ASC LIMIT 101
-- tenant = "acme"
-- start = 1707724800005
-- floor = "2026-01-01"
-- after = 1707724800005
-- id = 0x7
