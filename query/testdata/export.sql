SELECT id, timestamp, action, platform, device, actor_id, actor_name, detail, actor_kind, received_at, targets, request_id, details, extra
FROM activity
WHERE tenant = {tenant:String}
  AND device = {device:String}
  AND timestamp >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
  AND received_at >= {floor:Date}
  AND timestamp >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
  AND timestamp < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
  AND koff < transform(kpart, {stored:Array(UInt16)}, {ends:Array(UInt64)}, toUInt64(0))
  AND (timestamp > fromUnixTimestamp64Milli({after:Int64}, 'UTC') OR id > {id:UInt64})
ORDER BY timestamp, id LIMIT 30000
-- tenant = "acme"
-- device = "d1"
-- start = 1707724800005
-- floor = "2026-01-01"
-- from = 1707724800000
-- to = 1707728400000
-- stored = []uint16{0x0, 0x3}
-- ends = []uint64{0x12, 0x5}
-- after = 1707724800005
-- id = 0x7
