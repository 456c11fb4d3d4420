--[[
Writes what is known of a channel that fails. When it works again, its lanes are due. Only the holder of the lease may.

KEYS  1 lease  2 state  3 lanes by time
ARGV  1 fencing token  2 failures in a row  3 how often it was opened (0: it works)  4 for how long it is not tried (ms)
      5 reason  6 detail
Answer  1 done; 0: the lease is lost, nothing changed
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local function ms(number) return string.format('%.0f', number) end
redis.call('HSET', KEYS[2], 'failures', ARGV[2])
if ARGV[3] == '0' then
  if redis.call('HDEL', KEYS[2], 'opens', 'open_until', 'opened_at', 'reason', 'detail', 'told_at') > 0 then
    for _, lane in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do redis.call('ZADD', KEYS[3], 'LT', ms(now), lane) end
  end
elseif ARGV[4] ~= '0' then
  redis.call('HSETNX', KEYS[2], 'opened_at', ms(now))
  redis.call('HSET', KEYS[2], 'opens', ARGV[3], 'open_until', ms(now + tonumber(ARGV[4])), 'reason', ARGV[5], 'detail', ARGV[6])
end
return 1
