SELECT id, timestamp, action, platform, device, actor_id, actor_name, detail, actor_kind, received_at, targets, request_id, details, extra
FROM activity
WHERE tenant = {tenant:String}
  AND timestamp <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
  AND received_at >= {floor:Date}
  AND timestamp >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
  AND timestamp < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
  AND (timestamp < fromUnixTimestamp64Milli({after:Int64}, 'UTC') OR id < {id:UInt64})
ORDER BY timestamp DESC, id DESC LIMIT 101
-- tenant = "acme"
-- end = 1707724800005
-- floor = "2026-01-01"
-- from = 1707724800000
-- to = 1707728400000
-- after = 1707724800005
-- id = 0x7
