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
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 500)
for _, member in ipairs(due) do
  local cut = string.find(member, ':', 1, true)
  redis.call('XADD', KEYS[2], '*', 'alert', string.sub(member, cut + 1), 'kind', string.sub(member, 1, cut - 1))
  redis.call('ZREM', KEYS[1], member)
end
return #due
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
  end
  for alert, _ in pairs(asked) do redis.call('XADD', KEYS[2], '*', 'alert', alert, 'kind', 'redraw') end
end
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
"""
#: episode, outbox; alert, by, at. Answers who has it: the first to ask.
CLAIM = (
    _REDRAW
    + """
if redis.call('HSETNX', KEYS[1], 'owner', ARGV[2]) == 1 then
  redis.call('HSET', KEYS[1], 'owner_at', ARGV[3])
  redraw()
end
return redis.call('HGET', KEYS[1], 'owner')
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
