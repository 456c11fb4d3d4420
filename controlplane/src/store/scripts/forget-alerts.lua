--[[
Forgets alerts that ended long ago, unless they fire again since they were looked up. One that nobody was told of is counted as expired.

KEYS  1 records of alerts  2 ends  3 sources  4 outcomes
ARGV  1 before (ms)  2 prefix of the keys of the ledger by agent and by route  3.. fingerprints
Answer  how many were forgotten
]]
local forgotten, tally = 0, tally_of()
for i = 3, #ARGV do
  local ends = redis.call('ZSCORE', KEYS[2], ARGV[i])
  if ends and tonumber(ends) <= tonumber(ARGV[1]) then
    local alert = parse_alert(redis.call('HGET', KEYS[1], ARGV[i]))
    if alert and alert.state == 'p' then
      add(tally, alert.agent, alert.route, 'pending', -1)
      add(tally, alert.agent, alert.route, 'expired', 1)
    end
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('ZREM', KEYS[2], ARGV[i])
    redis.call('ZREM', KEYS[3], ARGV[i])
    forgotten = forgotten + 1
  end
end
write_tally(tally, KEYS[4], ARGV[2])
return forgotten
