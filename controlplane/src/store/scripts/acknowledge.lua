--[[
Takes entries off the head of a lane once their fate is known. Only the holder of the lease may.

KEYS  1 lane entries  2 lease  3 channel ledger  4 channels with work  5 dead letters by time  6 outcomes  7 attempt  8 lanes by time
      9 entries of the lane without a group  10 dead letters  11 log  12 statistics  13 groups
ARGV  1 fencing token  2 how many entries  3 fate: notified | dead_lettered  4 lane  5 reason  6 detail
      7 dead letters kept  8 how many of their alerts were told as a number only
      9 prefix of the keys of the ledger by agent and by route  10 prefix of the fates of notifications
      11 channel  12 it may have been told (0 or 1)  13 line of the log (empty: nothing was sent)  14 its result
      15 group of the lane (empty: none)  16 now (ms; empty: the clock of Redis)
Answer  entries left in the lane; -1: the lease is lost, nothing changed
]]
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return -1 end
local fate, channel = ARGV[3], ARGV[11]
local entries = redis.call('LPOP', KEYS[1], tonumber(ARGV[2])) or {}
redis.call('DEL', KEYS[7])
local now = tonumber(ARGV[16]) or redis_now()
local told, digested, tally, last = 0, 0, tally_of(), nil
for _, text in ipairs(entries) do
  local entry = cjson.decode(text)
  if entry.alert or entry.group then told = told + 1 end
  last = entry.time
  -- For timelines; forgotten by itself.
  local why = fate == 'dead_lettered' and ' ' .. ARGV[5] .. ': ' .. ARGV[6] or ''
  if fate == 'notified' and entry.from then why = ' on ' .. channel .. ', since ' .. entry.from .. ' was broken' end
  redis.call('SET', ARGV[10] .. entry.id, fate .. ' ' .. string.format('%.0f', now) .. why, 'EX', 604800)
  for _, unit in ipairs(entry.units or {}) do
    local outcome = fate
    if fate == 'notified' then
      outcome = unit[4] or (entry.group and entry.group.reason == 'digest' and 'digested') or fate
    end
    add(tally, unit[1], unit[2], 'pending', -unit[3])
    add(tally, unit[1], unit[2], outcome, unit[3])
  end
  for _, pair in ipairs(entry.held or {}) do digested = digested + pair[2] end
  if fate == 'dead_lettered' then
    -- The entry as it is: Lua cannot tell an empty list from an empty object.
    redis.call('HSET', KEYS[10], entry.id, string.format(
      '{"time":%.0f,"lane":%s,"reason":%s,"detail":%s,"repeated":%s,"entry":%s}', now, cjson.encode(ARGV[4]),
      cjson.encode(ARGV[5]), cjson.encode(ARGV[6]), ARGV[12] == '1' and 'true' or 'false', text))
    redis.call('ZADD', KEYS[5], string.format('%.0f', now), entry.id)
  end
end
-- What came late is repeated when its time is up since it was told, and not since it was decided.
local group = fate == 'notified' and ARGV[15] ~= '' and parse_group(redis.call('HGET', KEYS[13], ARGV[15]))
if group and group.logged == last and now > last then
  group.logged = now
  redis.call('HSET', KEYS[13], ARGV[15], format_group(group))
end
if fate == 'dead_lettered' then
  local excess = redis.call('ZCARD', KEYS[5]) - tonumber(ARGV[7])
  local dropped = excess > 0 and redis.call('ZRANGE', KEYS[5], 0, excess - 1) or {}
  for _, id in ipairs(dropped) do
    redis.call('ZREM', KEYS[5], id)
    redis.call('HDEL', KEYS[10], id)
  end
  if #dropped > 0 then redis.call('HINCRBY', KEYS[3], 'dead_letters_dropped', #dropped) end
end
if ARGV[13] ~= '' then write_log(KEYS[11], KEYS[12], ARGV[13], ARGV[14], string.format('%.0f', now)) end
write_tally(tally, KEYS[6], ARGV[9])
redis.call('HINCRBY', KEYS[3], 'pending', 0 - told - digested)
if fate == 'notified' then
  redis.call('HINCRBY', KEYS[3], 'notified', told - tonumber(ARGV[8]))
  redis.call('HINCRBY', KEYS[3], 'digested', digested + tonumber(ARGV[8]))
else
  redis.call('HINCRBY', KEYS[3], fate, told + digested)
end
local left = redis.call('LLEN', KEYS[1])
if left > 0 then
  -- Behind those that wait.
  redis.call('ZADD', KEYS[8], string.format('%.0f', now), ARGV[4])
else
  redis.call('ZREM', KEYS[8], ARGV[4])
  if redis.call('EXISTS', KEYS[8], KEYS[9]) == 0 then redis.call('SREM', KEYS[4], channel) end
end
return left
