"""The Lua that keeps alerts and episodes whole, whoever else is writing."""

from __future__ import annotations

#: lease, alert; token, now. Only the holder of the lease may start an attempt. One found open had no known end.
ATTEMPT = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
if redis.call('HGET', KEYS[2], 'open') == '1' then redis.call('HINCRBY', KEYS[2], 'unanswered', 1) end
redis.call('HSET', KEYS[2], 'open', '1', 'attempted_at', ARGV[2])
return redis.call('HINCRBY', KEYS[2], 'attempts', 1)
"""
#: alert, outbox; entry, fields. An alert may be erased with its visitor while it is being sent: it must not
#: come back as a fragment.
RECORD = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], unpack(ARGV, 2)) end
if ARGV[1] ~= '' then redis.call('XDEL', KEYS[2], ARGV[1]) end
return 1
"""
#: alert, outbox, later; entry, member, until, fields.
HOLD = """
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], unpack(ARGV, 4))
  redis.call('ZADD', KEYS[3], ARGV[3], ARGV[2])
end
redis.call('XDEL', KEYS[2], ARGV[1])
return 1
"""
#: later, outbox; now.
WAKE = """
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', 0, 500)
for i = 1, #due, 2 do
  local cut = string.find(due[i], ':', 1, true)
  local alert, kind = string.sub(due[i], cut + 1), string.sub(due[i], 1, cut - 1)
  redis.call('XADD', KEYS[2], '*', 'alert', alert, 'kind', kind, 'due', due[i + 1])
  redis.call('ZREM', KEYS[1], due[i])
end
return #due / 2
"""
#: episode, outbox, later; alert, entry, due, after (ms). A reminder comes due while somebody has the episode: what
#: was left of the wait when they claimed it is kept for when they release it.
PAUSE = """
redis.call('XDEL', KEYS[2], ARGV[2])
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local since = redis.call('HGET', KEYS[1], 'owner_at')
if not since then
  redis.call('ZADD', KEYS[3], ARGV[3], 'remind:' .. ARGV[1])
else
  local rest = math.min(tonumber(ARGV[4]), math.max(0, tonumber(ARGV[3]) - tonumber(since)))
  redis.call('HSET', KEYS[1], 'rest:' .. ARGV[1], rest)
end
return 1
"""
#: episode; field, post ("" for none).
POST = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[2] == '' then return redis.call('HDEL', KEYS[1], ARGV[1]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
"""
_REDRAW = """
local function redraw()
  local asked = {[ARGV[1]] = true}
  local fields = redis.call('HGETALL', KEYS[1])
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 5) == 'post:' then asked[cjson.decode(fields[i + 1]).alerts[1]] = true end
    if string.sub(fields[i], 1, 7) == 'digest:' then asked[string.sub(fields[i], 8)] = true end
  end
  for alert, _ in pairs(asked) do redis.call('XADD', KEYS[2], '*', 'alert', alert, 'kind', 'redraw') end
end
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
"""
#: episode, outbox; alert, by, at. Answers who has it: the first to ask. A click from before a release is an old
#: one sent again; Slack's signature is good for five minutes, and what is much older is a clock that was set back.
CLAIM = (
    _REDRAW
    + """
local passed = tonumber(redis.call('HGET', KEYS[1], 'released_at') or '0') - tonumber(ARGV[3])
if passed > 0 and passed < 600000 then return redis.call('HGET', KEYS[1], 'owner') end
if redis.call('HSETNX', KEYS[1], 'owner', ARGV[2]) == 1 then
  redis.call('HSET', KEYS[1], 'owner_at', ARGV[3])
  redraw()
end
return redis.call('HGET', KEYS[1], 'owner')
"""
)
#: episode, outbox, later; alert, by ("": whoever has it), at. Answers 1 where this gave it back. Reminders go on
#: from where the claim had stopped them.
RELEASE = (
    _REDRAW
    + """
local owner, since = unpack(redis.call('HMGET', KEYS[1], 'owner', 'owner_at'))
if not owner or (ARGV[2] ~= '' and owner ~= ARGV[2]) or tonumber(ARGV[3]) < tonumber(since) then return 0 end
local fields = redis.call('HGETALL', KEYS[1])
redis.call('HDEL', KEYS[1], 'owner', 'owner_at')
redis.call('HSET', KEYS[1], 'released_at', ARGV[3])
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 5) == 'rest:' then
    redis.call('ZADD', KEYS[3], ARGV[3] + fields[i + 1], 'remind:' .. string.sub(fields[i], 6))
    redis.call('HDEL', KEYS[1], fields[i])
  end
  if string.sub(fields[i], 1, 5) == 'post:' then
    for _, alert in ipairs(cjson.decode(fields[i + 1]).alerts) do
      local due = redis.call('ZSCORE', KEYS[3], 'remind:' .. alert)
      if due then redis.call('ZADD', KEYS[3], due + ARGV[3] - since, 'remind:' .. alert) end
    end
  end
end
redraw()
return 1
"""
)
#: episode, outbox, later; alert, by, at, until. The latest click counts.
SNOOZE = (
    _REDRAW
    + """
if tonumber(redis.call('HGET', KEYS[1], 'snoozed_at') or '0') < tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[1], 'snoozed_by', ARGV[2], 'snoozed_at', ARGV[3], 'snoozed_until', ARGV[4])
  redis.call('ZADD', KEYS[3], ARGV[4], 'redraw:' .. ARGV[1])
  redraw()
end
return redis.call('HGET', KEYS[1], 'snoozed_until')
"""
)
#: episode, outbox, unfit; alert, who and when as JSON, life (ms). The first click counts.
UNFIT = (
    _REDRAW
    + """
if redis.call('SET', KEYS[3], ARGV[2], 'NX', 'PX', ARGV[3]) then redraw() end
return redis.call('GET', KEYS[3])
"""
)
