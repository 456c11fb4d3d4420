--[[
Turns the held counters of a channel into an entry of its lane, if the throttle lets it and, for a lane that was full, its pause is
over; of a channel that is told digests, once its period is over. Only the clock of Redis counts, and neither a clock nor a throttle that was another before keeps them back.

KEYS  1 lane entries  2 held counters  3 throttle bucket  4 channel ledger  5 agents of what is held  6 lanes with work  7 held due
ARGV  1 channel  2 interval (microseconds, 0: no throttle)  3 burst (microseconds)  4 prefix of the ids of its digests; empty: it is told no digests
      5 now (ms); empty: the clock of Redis
Answer  how many alerts the entry tells of, at least 1; 0: nothing is held, or not yet due
]]
local FULL_LANE_MS = 60000
local clock = redis.call('TIME')
local now_us = ARGV[5] ~= '' and tonumber(ARGV[5]) * 1000 or tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local now = math.floor(now_us / 1000)
local channel, interval, burst = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('ZREM', KEYS[7], channel)
  return 0
end
local digests, due = ARGV[4] ~= '', tonumber(redis.call('ZSCORE', KEYS[7], channel) or '0')
if digests and due > now then return 0 end
if interval > 0 then
  local tat = math.min(tonumber(redis.call('GET', KEYS[3]) or '0'), now_us + 2 * (burst + interval))
  if now_us < tat - burst then
    redis.call('SET', KEYS[3], string.format('%.0f', tat))
    redis.call('ZADD', KEYS[7], math.ceil((tat - burst) / 1000), channel)
    return 0
  end
  redis.call('SET', KEYS[3], string.format('%.0f', math.max(tat, now_us) + interval))
else
  local wait = due - now
  if wait > 0 and wait <= FULL_LANE_MS then return 0 end
end
local flat, list, sum, ended = redis.call('HGETALL', KEYS[2]), {}, 0, nil
for i = 1, #flat, 2 do
  local rule, count = flat[i], tonumber(flat[i + 1])
  if rule == '' then
    ended = count
  else
    list[#list + 1] = { rule, count }
    sum = sum + count
  end
end
local units, counted = {}, redis.call('HGETALL', KEYS[5])
for i = 1, #counted, 2 do
  local agent, route = string.match(counted[i], '^(%S+) ?(%S*)$')
  units[#units + 1] = { agent, route ~= '' and route or '-', tonumber(counted[i + 1]), 'digested' }
end
redis.call('DEL', KEYS[2], KEYS[5])
redis.call('ZREM', KEYS[7], channel)
local number = redis.call('HINCRBY', KEYS[4], 'digests', 1)
local id = digests and ARGV[4] .. string.format('%.0f', due) or string.format('held-%s-%.0f-%d', channel, now, number)
redis.call('RPUSH', KEYS[1], cjson.encode({
  id = id, time = now, held = #list > 0 and list or nil, ended = ended, digest = digests or nil,
  units = #units > 0 and units or nil,
}))
redis.call('SADD', KEYS[6], channel)
-- Not -sum: of nothing that is -0, and no integer.
redis.call('HINCRBY', KEYS[4], 'held', 0 - sum)
redis.call('HINCRBY', KEYS[4], 'pending', sum)
return math.max(sum, 1)
