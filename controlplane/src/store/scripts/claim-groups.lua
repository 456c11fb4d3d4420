--[[
Claims groups that are due, those first that something critical does not want to wait in: each gets a fencing number and is due again when
the lease ends, in case that who claimed it dies. The lease of a large group is longer, so that it is not claimed again while it is worked on.

KEYS  1 due  2 groups  3 fencing numbers  4 urgent
ARGV  1 now (ms)  2 lease (ms)  3 how many at most  4 prefix of the members of a group
Answer  list of id, state, the time at which the lease ends, and how many parts of its last flush are left to do
]]
local now, lease, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local MEMBERS_A_MS = 5
local answer = {}

local function claim(id, due)
  local group = parse_group(redis.call('HGET', KEYS[2], id))
  if not group then
    redis.call('ZREM', KEYS[1], id)
    return
  end
  -- One that was claimed before, or put off, is still owed the flush that it was due for then.
  if group.tick == 0 then group.tick = tonumber(due) end
  group.fence = redis.call('INCR', KEYS[3])
  local ends = string.format('%.0f', now + lease + math.floor(redis.call('HLEN', ARGV[4] .. id) / MEMBERS_A_MS))
  local text = format_group(group)
  redis.call('HSET', KEYS[2], id, text)
  redis.call('ZADD', KEYS[1], ends, id)
  for _, value in ipairs({ id, text, ends, redis.call('LLEN', ARGV[4] .. id .. ':rows') }) do answer[#answer + 1] = value end
end

for _, id in ipairs(redis.call('SRANDMEMBER', KEYS[4], most)) do
  local due = redis.call('ZSCORE', KEYS[1], id)
  if not due or tonumber(due) <= now then redis.call('SREM', KEYS[4], id) end
  if due and tonumber(due) <= now then claim(id, due) end
end
local left = most - #answer / 4
if left > 0 then
  local found = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, left, 'WITHSCORES')
  for i = 1, #found, 2 do claim(found[i], found[i + 1]) end
end
return answer
