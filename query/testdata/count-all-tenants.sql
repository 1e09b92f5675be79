SELECT toUInt64(greatest(sum(part), 0))
FROM (SELECT sum(n) AS part
FROM by_entity
WHERE kind = {kind:String}
  AND entity = {entity:String}
  AND received >= {floor:Date}
  AND hour >= toDateTime({first_hour:UInt32}, 'UTC') UNION ALL SELECT toInt64(count()) AS part
FROM activity
WHERE device = {device:String}
  AND timestamp >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
  AND received_at >= {floor:Date}
  AND timestamp < fromUnixTimestamp64Milli({first:Int64}, 'UTC'))
-- kind = "device"
-- entity = "d"
-- floor = "2026-01-01"
-- first_hour = 0x65c9de10
-- device = "d"
-- start = 1707724860000
-- first = 1707728400000
