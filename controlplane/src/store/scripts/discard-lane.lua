--[[
Empties the lane of a channel that is gone; what was still to be told is counted as discarded.

KEYS  1 lane entries  2 held counters  3 throttle bucket  4 channel ledger  5 lanes with work  6 held due
ARGV  1 channel
Answer  how many alerts were discarded
]]
local pending = tonumber(redis.call('HGET', KEYS[4], 'pending') or '0')
local held = tonumber(redis.call('HGET', KEYS[4], 'held') or '0')
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('SREM', KEYS[5], ARGV[1])
redis.call('ZREM', KEYS[6], ARGV[1])
if pending + held > 0 then
  redis.call('HSET', KEYS[4], 'pending', 0, 'held', 0)
  redis.call('HINCRBY', KEYS[4], 'discarded', pending + held)
end
return pending + held
