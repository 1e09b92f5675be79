SELECT id, timestamp, action, platform, device, actor_id, actor_name, detail
FROM activity
WHERE tenant = {tenant:String}
  AND device = {device:String}
  AND action != {not_action_0:String}
  AND platform != {not_platform_1:String}
  AND NOT (actor_name = {not_username_2:String} OR (actor_name = ''
  AND actor_id = {not_username_2:String}))
  AND NOT arrayExists(t -> startsWith(t, concat({not_target_type_3:String}, '\0')), targets)
  AND device = ''
  AND NOT arrayExists(t -> startsWith(t, concat({not_target_type_4:String}, '\0')), targets)
  AND received_at >= {floor:Date}
ORDER BY timestamp DESC, id DESC LIMIT 101
-- tenant = "acme"
-- device = "d"
-- not_action_0 = "a"
-- not_platform_1 = "p"
-- not_username_2 = "ann"
-- not_target_type_3 = "task"
-- not_target_type_4 = "DEVICE"
-- floor = "2026-01-01"
