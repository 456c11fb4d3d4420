--[[
Puts dead letters back into their lane, behind what waits there.

KEYS  1 letters by time  2 letters  3 channel ledger  4 outcomes  5 channels with work  6 lanes by time  7 entries of the lane
ARGV  1 channel  2 lane  3 prefix of the keys of the ledger by agent and by route  4 prefix of the fates of notifications
      5.. id of a letter, its entry, alerts as the ledger of the channel counts it; and so on
Answer  how many were still there
]]
local clock = redis.call('TIME')
local now = string.format('%.0f', tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000))
local tally, count, alerts = tally_of(), 0, 0
for i = 5, #ARGV, 3 do
  local id, text = ARGV[i], ARGV[i + 1]
  if redis.call('HDEL', KEYS[2], id) == 1 then
    redis.call('ZREM', KEYS[1], id)
    redis.call('RPUSH', KEYS[7], text)
    redis.call('DEL', ARGV[4] .. id)
    for _, unit in ipairs(cjson.decode(text).units or {}) do
      add(tally, unit[1], unit[2], 'dead_lettered', -unit[3])
      add(tally, unit[1], unit[2], 'pending', unit[3])
    end
    count, alerts = count + 1, alerts + tonumber(ARGV[i + 2])
  end
end
if count == 0 then return 0 end
redis.call('ZADD', KEYS[6], 'NX', now, ARGV[2])
redis.call('SADD', KEYS[5], ARGV[1])
redis.call('HINCRBY', KEYS[3], 'dead_lettered', 0 - alerts)
redis.call('HINCRBY', KEYS[3], 'pending', alerts)
write_tally(tally, KEYS[4], ARGV[3])
return count
