--[[
Admits one batch: replay check, folding, storing, throttling and outbox, all or nothing. Every check that can refuse comes before
the first write, and the first write is one that Redis denies when it is full or read-only, so nothing is ever half stored.

KEYS  1 agent  2 its sequences  3 ledger  4 alert bodies  5 alert records  6 open fingerprints  7 alert index  8 alert counter
      9 lanes with work  10 held due  11 version of the channels; then for each channel of the request four keys:
      lane entries, held counters, throttle bucket, channel ledger
ARGV  1 the request as JSON: agent, kid, seq (text), digest, remembered (sequence numbers kept), window, retention (ms),
        capacity (alerts kept), lane_capacity, channels: list of [name, interval_us, burst_us] (interval 0: no throttle),
        alerts: list of [fingerprint, id, occurrences, first_ms, last_ms, rule, list of channel positions from 1]
      2i the facts of alert i as JSON text, 2i+1 its body
Answer  { status, ... } where status is
      agent_unknown | agent_revoked | sequence_conflict | sequence_stale   nothing changed
      repeated                                                             the same batch was admitted before; nothing changed
      admitted, version of the channels, { positions of alerts stored new }, { positions of channels with new entries },
        alerts dropped for room
]]
local request = cjson.decode(ARGV[1])
local AGENT, SEQUENCES, LEDGER, BODIES, RECORDS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local OPEN, INDEX, COUNTER, LANES, DUE, VERSION = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local RECORD = '^(%x+) (%d+) (%-?%d+) (%-?%d+) (%d+) (.*)$'
local HELD_RULES = 256

local agent = redis.call('HMGET', AGENT, 'kid', 'revoked', 'last_sequence')
if not agent[1] or agent[1] ~= request.kid then return { 'agent_unknown' } end
if agent[2] == '1' then return { 'agent_revoked' } end

local seq, last_sequence = tonumber(request.seq), tonumber(agent[3] or '0')
local seen = redis.call('ZRANGEBYSCORE', SEQUENCES, request.seq, request.seq)[1]
if seen then
  if seen == request.seq .. ' ' .. request.digest then return { 'repeated' } end
  return { 'sequence_conflict' }
end
if seq <= last_sequence - request.remembered then return { 'sequence_stale' } end

local clock = redis.call('TIME')
local now_us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local now = math.floor(now_us / 1000)

-- The first write: refused when Redis is full or read-only.
redis.call('ZADD', SEQUENCES, request.seq, request.seq .. ' ' .. request.digest)
if seq > last_sequence then
  last_sequence = seq
  redis.call('ZREMRANGEBYSCORE', SEQUENCES, '-inf', last_sequence - request.remembered)
end

local function count(key, counters)
  for state, number in pairs(counters) do
    if number ~= 0 then redis.call('HINCRBY', key, state, number) end
  end
end

-- Channels: what the script learns of each is read once and written once.
local channels = {}
local function channel_at(position)
  local channel = channels[position]
  if channel then return channel end
  local first = 11 + (position - 1) * 4
  local definition = request.channels[position]
  channel = {
    name = definition[1], interval = definition[2], burst = definition[3],
    ENTRIES = KEYS[first + 1], HELD = KEYS[first + 2], BUCKET = KEYS[first + 3], LEDGER = KEYS[first + 4],
    entries = {}, pending = 0, routed = 0, held = 0,
  }
  channel.length = redis.call('LLEN', channel.ENTRIES)
  channel.has_held = redis.call('EXISTS', channel.HELD) == 1
  channel.tat = channel.interval > 0 and tonumber(redis.call('GET', channel.BUCKET) or '0') or 0
  channels[position] = channel
  return channel
end

-- Whether the channel may be told now; takes a token of its bucket (GCRA).
local function admits(channel)
  if channel.length >= request.lane_capacity then
    channel.due = now + 60000
    return false
  end
  if channel.interval == 0 then return true end
  if now_us < channel.tat - channel.burst then
    channel.due = math.ceil((channel.tat - channel.burst) / 1000)
    return false
  end
  channel.tat = math.max(channel.tat, now_us) + channel.interval
  channel.changed = true
  return true
end

local function take_held(channel)
  local flat, list, sum = redis.call('HGETALL', channel.HELD), {}, 0
  for i = 1, #flat, 2 do
    list[#list + 1] = { flat[i], tonumber(flat[i + 1]) }
    sum = sum + tonumber(flat[i + 1])
  end
  redis.call('DEL', channel.HELD)
  redis.call('ZREM', DUE, channel.name)
  channel.has_held, channel.due = false, nil
  return list, sum
end

local function tell(channel, id, rule)
  channel.routed = channel.routed + 1
  if not admits(channel) then
    local field = rule
    if redis.call('HLEN', channel.HELD) >= HELD_RULES and redis.call('HEXISTS', channel.HELD, rule) == 0 then
      field = '(other rules)'
    end
    redis.call('HINCRBY', channel.HELD, field, 1)
    channel.held, channel.has_held = channel.held + 1, true
    return false
  end
  local entry = { id = id .. '-' .. channel.name, time = now, alert = id }
  channel.pending = channel.pending + 1
  if channel.has_held then
    local list, sum = take_held(channel)
    entry.held = list
    channel.pending, channel.held = channel.pending + sum, channel.held - sum
  end
  channel.entries[#channel.entries + 1] = cjson.encode(entry)
  channel.length = channel.length + 1
  return true
end

-- Folds into the open alert of the same fingerprint; false when there is none within the window.
local function fold(alert)
  local open = redis.call('HGET', OPEN, alert[1])
  if not open then return false end
  if open == alert[2] then return true end
  local record = redis.call('HGET', RECORDS, open)
  if not record then return false end
  local fingerprint, occurrences, first, last, opened, facts = string.match(record, RECORD)
  first, last = tonumber(first), tonumber(last)
  if now - tonumber(opened) >= request.window or math.abs(alert[4] - first) >= request.window then
    return false
  end
  redis.call('HSET', RECORDS, open, string.format('%s %d %d %d %s %s', fingerprint, tonumber(occurrences) + alert[3],
    math.min(first, alert[4]), math.max(last, alert[5]), opened, facts))
  return true
end

local total = #request.alerts
local order = total > 0 and redis.call('INCRBY', COUNTER, total) - total or 0
local ledger = { accepted = 0, deduplicated = 0, unrouted = 0, queued = 0, held = 0 }
local stored = {}
for i = 1, total do
  local alert = request.alerts[i]
  local fingerprint, id, occurrences = alert[1], alert[2], alert[3]
  ledger.accepted = ledger.accepted + occurrences
  if fold(alert) or redis.call('HSETNX', BODIES, id, ARGV[2 * i + 1]) == 0 then
    ledger.deduplicated = ledger.deduplicated + occurrences
  else
    stored[#stored + 1] = i
    ledger.deduplicated = ledger.deduplicated + occurrences - 1
    redis.call('HSET', RECORDS, id,
      string.format('%s %d %d %d %d ', fingerprint, occurrences, alert[4], alert[5], now) .. ARGV[2 * i])
    redis.call('HSET', OPEN, fingerprint, id)
    redis.call('ZADD', INDEX, order + i, id)
    local queued = false
    for _, position in ipairs(alert[7]) do
      queued = tell(channel_at(position), id, alert[6]) or queued
    end
    local state = #alert[7] == 0 and 'unrouted' or queued and 'queued' or 'held'
    ledger[state] = ledger[state] + 1
  end
end

local woken = {}
for position, channel in pairs(channels) do
  if #channel.entries > 0 then
    redis.call('RPUSH', channel.ENTRIES, unpack(channel.entries))
    redis.call('SADD', LANES, channel.name)
    woken[#woken + 1] = position
  end
  if channel.changed then redis.call('SET', channel.BUCKET, string.format('%.0f', channel.tat)) end
  if channel.has_held and channel.due then redis.call('ZADD', DUE, channel.due, channel.name) end
  count(channel.LEDGER, { routed = channel.routed, pending = channel.pending, held = channel.held })
end

-- Room: the oldest go first, by number and by age. Bounded by the batch, so that one call never takes long.
local function drop(id)
  local record = redis.call('HGET', RECORDS, id)
  local fingerprint = record and string.match(record, '^%x+')
  if fingerprint and redis.call('HGET', OPEN, fingerprint) == id then redis.call('HDEL', OPEN, fingerprint) end
  redis.call('HDEL', BODIES, id)
  redis.call('HDEL', RECORDS, id)
  redis.call('ZREM', INDEX, id)
end
local excess = redis.call('ZCARD', INDEX) - request.capacity
local dropped = 0
for _, id in ipairs(redis.call('ZRANGE', INDEX, 0, total + 15)) do
  local record = redis.call('HGET', RECORDS, id)
  local last = record and tonumber(string.match(record, '^%x+ %d+ %-?%d+ %-?%d+ (%d+)')) or 0
  if dropped >= excess and last >= now - request.retention - request.window then break end
  if dropped < excess then
    ledger.dropped_full = (ledger.dropped_full or 0) + 1
  else
    ledger.dropped_aged = (ledger.dropped_aged or 0) + 1
  end
  drop(id)
  dropped = dropped + 1
end

count(LEDGER, ledger)
redis.call('HINCRBY', AGENT, 'alerts', ledger.accepted)
redis.call('HSET', AGENT, 'last_seen', string.format('%.0f', now), 'last_sequence', string.format('%.0f', last_sequence))
return { 'admitted', redis.call('GET', VERSION) or '0', stored, woken, dropped }
