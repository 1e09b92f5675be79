SELECT id, timestamp, action, platform, device, actor_id, actor_name, detail
FROM activity
WHERE tenant = {tenant:String}
  AND (request_id = {search:String} OR (hasToken(if(length(folded) > 3, folded, lower(concat(detail, ' ', details, ' ', folded))), {word0_0:String})
  AND hasToken(if(length(folded) > 3, folded, lower(concat(detail, ' ', details, ' ', folded))), {word1_0:String})))
  AND received_at >= {floor:Date}
ORDER BY timestamp DESC, id DESC LIMIT 101
-- tenant = "acme"
-- word0_0 = "two"
-- word1_0 = "words"
-- search = "Two, words"
-- floor = "2026-01-01"
