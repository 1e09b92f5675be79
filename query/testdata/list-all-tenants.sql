SELECT tenant, id, timestamp, action, platform, device, actor_id, actor_name, detail
FROM activity
WHERE received_at >= {floor:Date}
  AND timestamp >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
ORDER BY timestamp DESC, id DESC LIMIT 101
-- floor = "2026-01-01"
-- from = 1707724800000
