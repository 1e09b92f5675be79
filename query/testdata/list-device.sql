SELECT id, timestamp, action, platform, device, actor_id, actor_name, detail
FROM activity
WHERE tenant = {tenant:String}
  AND device = {device:String}
  AND received_at >= {floor:Date}
  AND timestamp >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
  AND toStartOfHour(timestamp) IN {hours:Array(DateTime('UTC'))}
ORDER BY timestamp DESC, id DESC LIMIT 101 OFFSET 20
-- tenant = "acme"
-- device = "d1"
-- floor = "2026-01-01"
-- from = 1707724800000
-- hours = []uint32{0x65c9d000}
