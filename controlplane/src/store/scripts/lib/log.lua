-- What a channel was sent lately, newest first, and sums over all.
local LOG_KEPT = 200
local function write_log(log, stats, line, result, now)
  redis.call('LPUSH', log, line)
  redis.call('LTRIM', log, 0, LOG_KEPT - 1)
  redis.call('HINCRBY', stats, result, 1)
  redis.call('HSET', stats, string.sub(result, 1, 3) == 'ok ' and 'last_ok' or 'last_failure', now)
end
