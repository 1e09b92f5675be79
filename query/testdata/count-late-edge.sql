SELECT toUInt64(greatest(sum(part), 0))
FROM (SELECT sum(n) AS part
FROM by_entity
WHERE tenant = {tenant:String}
  AND kind = {kind:String}
  AND entity = {entity:String}
  AND received >= {floor:Date}
  AND hour < toDateTime({end_hour:UInt32}, 'UTC') UNION ALL SELECT toInt64(count()) AS part
FROM activity
WHERE tenant = {tenant:String}
  AND device = {device:String}
  AND timestamp <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
  AND received_at >= {floor:Date}
  AND timestamp >= fromUnixTimestamp64Milli({late:Int64}, 'UTC'))
-- tenant = "acme"
-- kind = "device"
-- entity = "d"
-- floor = "2026-01-01"
-- end_hour = 0x65c9d000
-- device = "d"
-- end = 1707724860000
-- late = 1707724800000
