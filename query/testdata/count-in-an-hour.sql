SELECT count()
FROM activity
WHERE tenant = {tenant:String}
  AND timestamp >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
  AND timestamp <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
  AND received_at >= {floor:Date}
-- tenant = "acme"
-- start = 1707724860000
-- end = 1707724920000
-- floor = "2026-01-01"
