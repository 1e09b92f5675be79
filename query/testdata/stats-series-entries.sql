SELECT toStartOfDay(hour) AS bucket, value, toUInt64(sum(n)) AS entries
FROM (SELECT toStartOfHour(timestamp) AS hour, arrayJoin(arrayDistinct(arrayConcat(arrayMap(t -> splitByChar('\0', t)[1], targets), if(device != '', [{device_type:String}], [])))) AS value, toInt64(count()) AS n
FROM activity
WHERE tenant = {tenant:String}
  AND device = {device:String}
  AND received_at >= {floor:Date}
  AND toStartOfHour(timestamp) IN (SELECT hour
FROM by_entity
WHERE tenant = {tenant:String}
  AND kind = {kind:String}
  AND entity = {entity:String}
  AND received >= {floor:Date}
GROUP BY hour HAVING sum(n) > 0)
GROUP BY hour, value)
WHERE value IN {values:Array(String)}
GROUP BY bucket, value HAVING sum(n) > 0
ORDER BY bucket, entries DESC, value LIMIT 50001
-- tenant = "acme"
-- device = "d1"
-- floor = "2026-01-01"
-- kind = "device"
-- entity = "d1"
-- device_type = "DEVICE"
-- values = []string{"task"}
