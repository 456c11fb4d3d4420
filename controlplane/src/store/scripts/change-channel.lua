--[[
Writes the definition of a channel made over the API, or deletes the channel with all that was still to be told there, if the channels
are what the caller last read. A worker in mid-send loses its lease: what it acknowledges later is not of a new channel of that name.

KEYS  1 channels  2 version of the channels  3 lane entries  4 held counters  5 throttle bucket  6 channel ledger  7 agents of what is
      held  8 channels with work  9 held due  10 lease  11 lanes by time  12 outcomes  13 state
      14 to 17 dead letters by time, dead letters, log, statistics; then entries and attempt of each lane
ARGV  1 channel  2 version that was read  3 definition; empty: delete  4 prefix of the keys of the ledger by agent and by route
      5.. the lanes that were read
Answer  1 done; 0: the channels or the lanes were changed meanwhile, nothing was written
]]
local channel, definition = ARGV[1], ARGV[3]
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[2] then return 0 end
if definition ~= '' then
  redis.call('HSET', KEYS[1], channel, definition)
else
  local read = {}
  for i = 5, #ARGV do read[ARGV[i]] = true end
  for _, lane in ipairs(redis.call('ZRANGE', KEYS[11], 0, -1)) do
    if not read[lane] then return 0 end
  end
  local pending = tonumber(redis.call('HGET', KEYS[6], 'pending') or '0')
  local held = tonumber(redis.call('HGET', KEYS[6], 'held') or '0')
  -- Nobody is told of it any more: in the ledger it is a dead letter.
  local tally = tally_of()
  local function bury(agent, route, number)
    add(tally, agent, route, 'pending', -number)
    add(tally, agent, route, 'dead_lettered', number)
  end
  for i = 18, #KEYS, 2 do
    for _, text in ipairs(redis.call('LRANGE', KEYS[i], 0, -1)) do
      for _, unit in ipairs(cjson.decode(text).units or {}) do bury(unit[1], unit[2], unit[3]) end
    end
    redis.call('DEL', KEYS[i], KEYS[i + 1])
  end
  local held_units = redis.call('HGETALL', KEYS[7])
  for i = 1, #held_units, 2 do bury(held_units[i], '-', tonumber(held_units[i + 1])) end
  redis.call('HDEL', KEYS[1], channel)
  redis.call('DEL', KEYS[4], KEYS[5], KEYS[7], KEYS[10], KEYS[11], unpack(KEYS, 13, 17))
  redis.call('SREM', KEYS[8], channel)
  redis.call('ZREM', KEYS[9], channel)
  write_tally(tally, KEYS[12], ARGV[4])
  if pending + held > 0 then
    redis.call('HSET', KEYS[6], 'pending', 0, 'held', 0)
    redis.call('HINCRBY', KEYS[6], 'discarded', pending + held)
  end
end
redis.call('INCR', KEYS[2])
return 1
