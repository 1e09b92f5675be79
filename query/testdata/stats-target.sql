SELECT value, toUInt64(sum(n)) AS entries, toUInt64(sum(entries) OVER ())
FROM (SELECT hour, entity AS value, n
FROM by_entity
WHERE tenant = {tenant:String}
  AND kind = {kind:String}
  AND received >= {floor:Date}
  AND entity != {device_type:String} UNION ALL SELECT hour, {device_type:String} AS value, n
FROM by_entity
WHERE tenant = {tenant:String}
  AND kind = {device_kind:String}
  AND received >= {floor:Date}
  AND hour NOT IN (SELECT hour
FROM by_entity
WHERE tenant = {tenant:String}
  AND kind = {kind:String}
  AND received >= {floor:Date}
  AND entity = {device_type:String}
GROUP BY hour HAVING sum(n) > 0) UNION ALL SELECT toStartOfHour(timestamp) AS hour, {device_type:String} AS value, toInt64(count()) AS n
FROM activity
WHERE tenant = {tenant:String}
  AND (device != '' OR arrayExists(t -> startsWith(t, {target0:String}), targets))
  AND received_at >= {floor:Date}
  AND toStartOfHour(timestamp) IN (SELECT hour
FROM by_entity
WHERE tenant = {tenant:String}
  AND kind = {kind:String}
  AND received >= {floor:Date}
  AND entity = {device_type:String}
GROUP BY hour HAVING sum(n) > 0)
GROUP BY hour)
WHERE value != ''
GROUP BY value HAVING sum(n) > 0
ORDER BY entries DESC, value LIMIT 10
-- tenant = "acme"
-- kind = "target"
-- floor = "2026-01-01"
-- device_type = "DEVICE"
-- device_kind = "device"
-- target0 = "DEVICE\x00"
