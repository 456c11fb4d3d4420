--[[
Takes what of a channel is to be told now: of each lane that is due the first entries, with the alerts they show. The same step takes
the lease, unless it is held already, and writes down that these entries are being sent. When nothing is to be done now it gives
the lease back, so that nothing can come between the look and the end.

KEYS  1 lease  2 last token given  3 entries of the lane without a group  4 lanes by time  5 state  6 channels with work  7 alert records
ARGV  1 channel  2 token (empty: none yet)  3 lifetime of the lease (ms)  4 lanes under way at a time; one is kept for what is urgent
      5 entries of a lane  6 lifetime of an attempt (s)  7 1: while the channel is broken, what is due only shows itself, to be moved
      8 prefix of the keys of lanes  9 prefix of the bodies of alerts  10.. lanes under way
Answer  { token (0: another holds the lease), 1 when it was given back, now, when to look again if nothing comes (ms; -1: not before),
        failures in a row, how often the breaker was opened, for how long it still is (ms),
        1 when more was due than could be taken, 2 when nothing of the channel shall be sent now,
        { lane, attempt, { entry, ... }, { id, record, body, ... }, 1 when urgent, 1 when not tried before }, ... }; only the lane of what is to be moved
]]
local LEASE, ENTRIES, READY, STATE = KEYS[1], KEYS[3], KEYS[4], KEYS[5]
local channel, most, entries_most = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[5])
-- What is left is taken at the next look.
local ENOUGH_BYTES = 1048576
-- As many alerts are shown of a group.
local SHOWN = 20

local token
if ARGV[2] == '' then
  token = acquire(LEASE, KEYS[2], ARGV[3])
  if token == 0 then return { 0 } end
else
  if redis.call('GET', LEASE) ~= ARGV[2] then return { 0 } end
  token = tonumber(ARGV[2])
end

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local now_text = string.format('%.0f', now)
if redis.call('LLEN', ENTRIES) > 0 then redis.call('ZADD', READY, 'NX', now_text, channel) end
local state = redis.call('HMGET', STATE, 'paused_until', 'quiet_until', 'failures', 'opens', 'open_until')
local opens, open = tonumber(state[4] or '0'), tonumber(state[5] or '0')
local answer = { token, 0, now, -1, tonumber(state[3] or '0'), opens, math.max(0, open - now), 0 }
local FIRST = #answer
local busy, under_way = {}, 0
for i = 10, #ARGV do
  busy[ARGV[i]] = true
  under_way = under_way + 1
end
if opens > 0 then most = 1 end
local moves = ARGV[7] == '1' and open > now

-- The ids of the alerts that an entry shows, as far as they are not known yet.
local function collect(entry, ids, known)
  local function add(id)
    if id and not known[id] then
      known[id] = true
      ids[#ids + 1] = id
    end
  end
  add(entry.alert)
  local left = SHOWN
  for _, list in ipairs(entry.group and { entry.group.firing, entry.group.resolved } or {}) do
    for i = 1, math.min(left, #list) do add(list[i].samples[#list[i].samples]) end
    left = left - math.min(left, #list)
  end
end

-- { id, record, body, ... }; empty where none is stored. And their bytes.
local function read_alerts(ids)
  local alerts, bytes = {}, 0
  if #ids == 0 then return alerts, bytes end
  for i, record in ipairs(redis.call('HMGET', KEYS[7], unpack(ids))) do
    local body = ''
    if record then
      local from, to, bodies = string.match(record, '^%x+ %d+ %-?%d+ %-?%d+ (%d+) (%d+) %d+ (%d+) ')
      body = bodies and redis.call('GETRANGE', ARGV[9] .. bodies, from, to) or ''
    end
    alerts[3 * i - 2], alerts[3 * i - 1], alerts[3 * i] = ids[i], record or '', body
    bytes = bytes + #body
  end
  return alerts, bytes
end

-- Takes the head of a lane. Answers with its bytes; nothing when the lane is empty.
local function take(lane, urgent)
  local base = ARGV[8] .. lane
  local entries = redis.call('LRANGE', base .. ':entries', 0, entries_most - 1)
  if #entries == 0 then
    redis.call('ZREM', READY, lane)
    return
  end
  local first = cjson.decode(entries[1])
  local text = redis.call('GET', base .. ':attempt')
  local known = text and cjson.decode(text)
  local attempt = { head = first.id, count = #entries, failures = 0, since = now, sending = true, repeated = false }
  if known and known.head == first.id then
    attempt.count, attempt.failures, attempt.since = math.min(known.count, #entries), known.failures, known.since or now
    attempt.repeated = known.repeated or known.sending
  end
  text = cjson.encode(attempt)
  redis.call('SET', base .. ':attempt', text, 'EX', ARGV[6])
  local ids, seen, told, bytes = {}, {}, {}, 0
  for i = 1, attempt.count do
    told[i] = entries[i]
    bytes = bytes + #entries[i]
    collect(i == 1 and first or cjson.decode(entries[i]), ids, seen)
  end
  local alerts, more = read_alerts(ids)
  answer[#answer + 1] = { lane, text, told, alerts, urgent and 1 or 0, attempt.since == now and 1 or 0 }
  return bytes + more
end

local held = math.max(tonumber(state[1] ~= 'inf' and state[1] or '0'), tonumber(state[2] or '0'), moves and 0 or open)
if state[1] == 'inf' then
  answer[8] = 2
elseif redis.call('EXISTS', READY) == 1 then
  if held > now then
    answer[4], answer[8] = held, 2
  else
    local later = redis.call('ZRANGEBYSCORE', READY, '(' .. now_text, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    if later then answer[4] = tonumber(later) end
    local due = redis.call('ZRANGEBYSCORE', READY, '-inf', now_text, 'WITHSCORES', 'LIMIT', 0, most + under_way + 1)
    local total, taken = 0, under_way
    for i = 1, #due, 2 do
      local lane, urgent = due[i], due[i + 1] == '0'
      local room = (urgent or most == 1) and most or most - 1
      if moves and not busy[lane] then
        answer[#answer + 1] = { lane }
      elseif not moves and not busy[lane] then
        if taken >= room then
          answer[8] = 1
        elseif total >= ENOUGH_BYTES then
          answer[4], answer[8] = now, 1
          break
        else
          local bytes = take(lane, urgent)
          if bytes then total, taken = total + bytes, taken + 1 end
        end
      end
    end
  end
end
if redis.call('EXISTS', READY, ENTRIES) == 0 then redis.call('SREM', KEYS[6], channel) end
if under_way == 0 and #answer == FIRST then
  redis.call('DEL', LEASE)
  answer[2] = 1
end
return answer
