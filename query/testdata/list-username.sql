SELECT id, timestamp, action, platform, device, actor_id, actor_name, detail
FROM activity
WHERE tenant = {tenant:String}
  AND (actor_name = {name:String} OR (actor_name = ''
  AND actor_id = {name:String}))
  AND received_at >= {floor:Date}
ORDER BY timestamp DESC, id DESC LIMIT 101
-- tenant = "acme"
-- name = "ann"
-- floor = "2026-01-01"
