--[[
Claims groups that are due: each gets a fencing number and is due again when the lease ends, in case that who claimed it dies.

KEYS  1 due  2 groups  3 fencing numbers
ARGV  1 now (ms)  2 lease (ms)  3 how many at most
Answer  list of id, state and, with the third, the time at which the lease ends
]]
local now, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
local ends = string.format('%.0f', now + lease)
local found = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[3], 'WITHSCORES')
local answer = {}
for i = 1, #found, 2 do
  local id = found[i]
  local group = parse_group(redis.call('HGET', KEYS[2], id))
  if group then
    -- One that was claimed before is still owed the flush that it was due for then.
    if group.fence == 0 then group.tick = tonumber(found[i + 1]) end
    group.fence = redis.call('INCR', KEYS[3])
    local text = format_group(group)
    redis.call('HSET', KEYS[2], id, text)
    redis.call('ZADD', KEYS[1], ends, id)
    answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = id, text, ends
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
return answer
