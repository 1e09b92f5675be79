SELECT count()
FROM activity
WHERE tenant = {tenant:String}
  AND action = {action:String}
  AND device = {device:String}
  AND timestamp >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
  AND timestamp <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
  AND received_at >= {floor:Date}
  AND toStartOfHour(timestamp) IN (SELECT hour
FROM by_entity
WHERE tenant = {tenant:String}
  AND kind = {kind:String}
  AND entity = {entity:String}
  AND received >= {floor:Date}
  AND hour >= toDateTime({first_hour:UInt32}, 'UTC')
  AND hour <= toDateTime({last_hour:UInt32}, 'UTC')
GROUP BY hour HAVING sum(n) > 0)
-- tenant = "acme"
-- action = "a"
-- device = "d"
-- start = 1707724800001
-- end = 1707724800002
-- floor = "2026-01-01"
-- kind = "device"
-- entity = "d"
-- first_hour = 0x65c9d000
-- last_hour = 0x65c9d000
