--[[
Writes the definition of a channel made over the API, or deletes the channel with all that was still to be told there, if the channels
are what the caller last read. A worker in mid-send loses its lease: what it acknowledges later is not of a new channel of that name.

KEYS  1 channels  2 version of the channels  3 lane entries  4 held counters  5 throttle bucket  6 channel ledger  7 lanes with work
      8 held due  9 lease  10 attempt
ARGV  1 channel  2 version that was read  3 definition; empty: delete
Answer  1 done; 0: the channels were changed meanwhile, nothing was written
]]
local channel, definition = ARGV[1], ARGV[3]
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[2] then return 0 end
if definition ~= '' then
  redis.call('HSET', KEYS[1], channel, definition)
else
  local pending = tonumber(redis.call('HGET', KEYS[6], 'pending') or '0')
  local held = tonumber(redis.call('HGET', KEYS[6], 'held') or '0')
  redis.call('HDEL', KEYS[1], channel)
  redis.call('DEL', KEYS[3], KEYS[4], KEYS[5], KEYS[9], KEYS[10])
  redis.call('SREM', KEYS[7], channel)
  redis.call('ZREM', KEYS[8], channel)
  if pending + held > 0 then
    redis.call('HSET', KEYS[6], 'pending', 0, 'held', 0)
    redis.call('HINCRBY', KEYS[6], 'discarded', pending + held)
  end
end
redis.call('INCR', KEYS[2])
return 1
