--[[
Moves the first entries of a lane to the lane of another channel. Only the holder of the lease may.

KEYS  1 lease  2 entries  3 attempt  4 lanes of the channel by time  5 ledger of the channel  6 channels with work
      7 entries of the channel's lane without a group  8 entries of the other lane  9 lanes of that channel by time
      10 ledger of that channel
ARGV  1 fencing token  2 channel  3 lane  4 other channel  5 other lane  6 alerts as the ledgers count them
      7.. the entries as they are there, as many as leave
Answer  1 done; 0: the lease is lost, nothing changed
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local texts = { unpack(ARGV, 7) }
redis.call('RPUSH', KEYS[8], unpack(texts))
redis.call('LTRIM', KEYS[2], #texts, -1)
redis.call('DEL', KEYS[3])
redis.call('ZADD', KEYS[9], 'NX', string.format('%.0f', now), ARGV[5])
redis.call('SADD', KEYS[6], ARGV[4])
if redis.call('LLEN', KEYS[2]) == 0 then
  redis.call('ZREM', KEYS[4], ARGV[3])
  if redis.call('EXISTS', KEYS[4], KEYS[7]) == 0 then redis.call('SREM', KEYS[6], ARGV[2]) end
end
redis.call('HINCRBY', KEYS[5], 'pending', 0 - tonumber(ARGV[6]))
redis.call('HINCRBY', KEYS[5], 'rerouted', ARGV[6])
redis.call('HINCRBY', KEYS[10], 'routed', ARGV[6])
redis.call('HINCRBY', KEYS[10], 'pending', ARGV[6])
return 1
