SELECT id, timestamp, action, platform, device, actor_id, actor_name, detail
FROM activity
WHERE tenant = {tenant:String}
  AND (device = {target0_device:String} OR arrayExists(t -> endsWith(t, {target0:String}), targets))
  AND received_at >= {floor:Date}
ORDER BY timestamp DESC, id DESC LIMIT 101
-- tenant = "acme"
-- target0_device = "1"
-- target0 = "\x001"
-- floor = "2026-01-01"
