SELECT hour, sum(n) AS entries, min(received)
FROM by_kind
WHERE tenant = {tenant:String}
  AND received >= {floor:Date}
GROUP BY hour HAVING entries > 0
ORDER BY hour DESC LIMIT 1000
-- tenant = "acme"
-- floor = "2026-01-01"
