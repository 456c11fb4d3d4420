--[[
Which lanes of a channel are to be tried now.

KEYS  1 entries of the lane without a group  2 lanes by time  3 state
ARGV  1 channel  2 how many at most
Answer  { now, when one has to look again if nothing comes (ms; -1: not before), lane, time, lane, time, ... }
]]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
if redis.call('LLEN', KEYS[1]) > 0 then redis.call('ZADD', KEYS[2], 'NX', string.format('%.0f', now), ARGV[1]) end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
if not first then return { now, -1 } end
local quiet = tonumber(redis.call('HGET', KEYS[3], 'quiet_until') or '0')
if quiet > now then return { now, quiet } end
local answer = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now), 'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[2]))
local later = redis.call('ZRANGEBYSCORE', KEYS[2], string.format('(%.0f', now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
table.insert(answer, 1, later and tonumber(later) or -1)
table.insert(answer, 1, now)
return answer
