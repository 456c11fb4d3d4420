-- Takes the lease of a channel for `ms`; the token, or 0 when another holds it.
local function acquire(lease, fence, ms)
  if redis.call('EXISTS', lease) == 1 then return 0 end
  local token = redis.call('INCR', fence)
  redis.call('SET', lease, token, 'PX', ms)
  return token
end
