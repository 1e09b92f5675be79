SELECT hour, sum(n) AS entries, min(received)
FROM by_kind
WHERE tenant = {tenant:String}
  AND platform = {platform:String}
  AND action = {action:String}
  AND received >= {floor:Date}
  AND hour >= toDateTime({first_hour:UInt32}, 'UTC')
  AND hour <= toDateTime({last_hour:UInt32}, 'UTC')
GROUP BY hour HAVING entries > 0
ORDER BY hour DESC LIMIT 1000
-- tenant = "acme"
-- platform = "p"
-- action = "a"
-- floor = "2026-01-01"
-- first_hour = 0x65c9d000
-- last_hour = 0x65c9de10
