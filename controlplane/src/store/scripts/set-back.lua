--[[
Keeps the head of a lane for another attempt. Only the holder of the lease may.

KEYS  1 lease  2 attempt  3 lanes by time  4 state  5 log  6 statistics
ARGV  1 fencing token  2 attempt  3 its lifetime (s)  4 lane  5 pause of the lane (ms)  6 pause of the whole channel (ms)
      7 line of the log  8 its result  9 why, for timelines  10 prefix of the fates of notifications  11.. ids of the entries
Answer  1 done; 0: the lease is lost, nothing changed
]]
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
redis.call('ZADD', KEYS[3], string.format('%.0f', now + tonumber(ARGV[5])), ARGV[4])
local quiet = now + tonumber(ARGV[6])
if quiet > tonumber(redis.call('HGET', KEYS[4], 'quiet_until') or '0') then
  redis.call('HSET', KEYS[4], 'quiet_until', string.format('%.0f', quiet))
end
write_log(KEYS[5], KEYS[6], ARGV[7], ARGV[8], string.format('%.0f', now))
for i = 11, #ARGV do
  redis.call('SET', ARGV[10] .. ARGV[i], 'failed ' .. string.format('%.0f', now) .. ' ' .. ARGV[9], 'EX', 604800)
end
return 1
