SELECT hour, sum(n) AS entries, min(received)
FROM by_kind
WHERE received >= transform(toString(tenant), {others:Array(String)}, {floors:Array(Date)}, {floor:Date})
GROUP BY hour HAVING entries > 0
ORDER BY hour DESC LIMIT 1000
-- floor = "2026-01-01"
-- others = []string{"b"}
-- floors = []string{"2026-02-02"}
