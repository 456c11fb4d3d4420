--[[
Which lanes of a channel are to be tried now.

KEYS  1 entries of the lane without a group  2 lanes by time  3 state
ARGV  1 channel  2 how many at most  3 1: also while the channel is broken
Answer  { now, when one has to look again if nothing comes (ms; -1: not before), failures in a row, how often the breaker was opened,
        for how long it still is (ms), lane, time, lane, time, ... }
]]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local function ms(number) return string.format('%.0f', number) end
if redis.call('LLEN', KEYS[1]) > 0 then redis.call('ZADD', KEYS[2], 'NX', ms(now), ARGV[1]) end
local state = redis.call('HMGET', KEYS[3], 'paused_until', 'quiet_until', 'failures', 'opens', 'open_until')
local open = tonumber(state[5] or '0')
local answer = { now, -1, tonumber(state[3] or '0'), tonumber(state[4] or '0'), math.max(0, open - now) }
if redis.call('EXISTS', KEYS[2]) == 0 or state[1] == 'inf' then return answer end
local held = math.max(tonumber(state[1] or '0'), tonumber(state[2] or '0'), ARGV[3] == '1' and 0 or open)
if held > now then
  answer[2] = held
  return answer
end
local later = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ms(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
if later then answer[2] = tonumber(later) end
for _, value in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ms(now), 'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[2]))) do
  answer[#answer + 1] = value
end
return answer
