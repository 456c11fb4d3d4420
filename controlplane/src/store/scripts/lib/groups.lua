--[[
Puts alerts into their groups: a part of the scripts that admit alerts, which lay it before their own text. It reads and decides in
`plan_groups` and writes in `apply_groups`, so that a script can refuse in between and its first write comes after all its reads.

A record of an alert is `starts ends updated timeout count first last state agent route samples labels`: times in ms, timeout 1 when the
end is only a guess (the alert has to be seen again), state one of the letters of the ledger below, samples the ids of stored alerts with
commas or `-`, labels as JSON.
A group is `created flushed tick fence said logged revision definition`: times in ms, flushed 0 before its first flush, tick the due time
that a flusher holds it for, fence its number (0: nobody does), said how many notifications there were, logged when it said something
last (-1: never), revision raised by whatever changes in it, definition as JSON.
Members of a group have flags: m is in the group, f and r are in the firing and the resolved part of what was said last, t was told that
it fires and not yet that it ended, h was held back while it fired. A number among them: it began to fire in this group, and so many of
its occurrences were told (negative: none, and so many of when it fired before are owed); only channels that are told what is new count on.

The groups of a request:
  now       ms; without it, the clock of Redis
  routes    list of [id, groups at most, position of its overflow group, interval_us and burst_us of new groups (0: no limit)]
  groups    list of [id, position of the route, definition, group_wait, group_interval, 1 when its channel is told what is new]
  alerts    list of [fingerprint, labels, starts (false: now), ends (with timeout: ms from now), timeout, occurrences (0: routed again), first, last
            (false: now), sample, is a source of inhibition, agent, id of the route it is accounted to (`-`: accounted elsewhere),
            positions of groups, positions of those that do not wait, 1 when it is critical, what its throttle is counted by]
  throttle  [interval_us, burst_us] of new alerts of one rule and host (0: none); what is more goes into overflow groups
]]
local RECORD_OF_ALERT = '^(%-?%d+) (%-?%d+) (%-?%d+) ([01]) (%d+) (%-?%d+) (%-?%d+) (%a) (%S+) (%S+) (%S+) (.*)$'
local GROUP = '^(%d+) (%d+) (%d+) (%d+) (%d+) (%-?%d+) (%d+) (.*)$'
local SAMPLES = 3
local OUTCOMES = {
  p = 'pending', q = 'pending', s = 'silenced', i = 'inhibited', m = 'muted', x = 'expired',
} -- q: its notification is in a lane; u: accounted elsewhere

local function redis_now()
  local clock = redis.call('TIME')
  return tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
end

local function read_many(key, fields)
  local found = {}
  for from = 1, #fields, 5000 do
    local part = {}
    for i = from, math.min(from + 4999, #fields) do part[#part + 1] = fields[i] end
    for i, value in ipairs(redis.call('HMGET', key, unpack(part))) do found[part[i]] = value end
  end
  return found
end

-- A command with any number of values, of which Lua can pass some thousands at once.
local function call_many(values, command, ...)
  for from = 1, #values, 4000 do
    local arguments = { command, ... }
    for i = from, math.min(from + 3999, #values) do arguments[#arguments + 1] = values[i] end
    redis.call(unpack(arguments))
  end
end

local function parse_alert(text)
  if not text then return nil end
  local starts, ends, updated, timeout, count, first, last, state, agent, route, samples, labels =
    string.match(text, RECORD_OF_ALERT)
  return {
    starts = tonumber(starts), ends = tonumber(ends), updated = tonumber(updated), timeout = tonumber(timeout),
    count = tonumber(count), first = tonumber(first), last = tonumber(last), state = state, agent = agent,
    route = route, samples = samples, labels = labels,
  }
end

local function format_alert(alert)
  return string.format('%.0f %.0f %.0f %d %.0f %.0f %.0f %s %s %s %s %s', alert.starts, alert.ends, alert.updated,
    alert.timeout, alert.count, alert.first, alert.last, alert.state, alert.agent, alert.route, alert.samples, alert.labels)
end

local function parse_group(text)
  if not text then return nil end
  local created, flushed, tick, fence, said, logged, revision, definition = string.match(text, GROUP)
  return {
    created = tonumber(created), flushed = tonumber(flushed), tick = tonumber(tick), fence = tonumber(fence),
    said = tonumber(said), logged = tonumber(logged), revision = tonumber(revision), definition = definition,
  }
end

local function format_group(group)
  return string.format('%.0f %.0f %.0f %.0f %.0f %.0f %.0f %s', group.created, group.flushed, group.tick, group.fence,
    group.said, group.logged, group.revision, group.definition)
end

local function has(flags, flag)
  return string.find(flags, flag, 1, true) ~= nil
end

-- Counts in the ledger: over all, by agent and by route.
local function tally_of()
  return {}
end
local function add(tally, agent, route, outcome, number)
  if number == 0 then return end
  local key = agent .. ' ' .. route .. ' ' .. outcome
  tally[key] = (tally[key] or 0) + number
end
local function write_tally(tally, outcomes, prefix)
  local sums = {}
  local function sum(key, outcome, number)
    sums[key] = sums[key] or {}
    sums[key][outcome] = (sums[key][outcome] or 0) + number
  end
  for key, number in pairs(tally) do
    local agent, route, outcome = string.match(key, '^(%S+) (%S+) (%S+)$')
    sum(outcomes, outcome, number)
    if agent ~= '-' then sum(prefix .. 'agent:' .. agent, outcome, number) end
    if route ~= '-' then sum(prefix .. 'route:' .. route, outcome, number) end
  end
  for key, counters in pairs(sums) do
    if key ~= outcomes then redis.call('SADD', prefix .. 'scopes', string.sub(key, #prefix + 1)) end
    for outcome, number in pairs(counters) do
      if number ~= 0 then redis.call('HINCRBY', key, outcome, string.format('%.0f', number)) end
    end
  end
end

-- Alertmanager's merge of two alerts with the same labels; the new one is the younger.
local function merge_times(old, new, now)
  local overlaps = (new.ends > old.starts and new.ends < old.ends) or (new.starts > old.starts and new.starts < old.ends)
  if not overlaps then return end
  new.starts = math.min(new.starts, old.starts)
  if new.ends <= now then
    if old.ends <= now and old.ends > new.ends then new.ends = old.ends end
  elseif old.ends > new.ends and old.timeout == 0 then
    new.ends = old.ends
  end
end

local function add_sample(samples, id)
  if id == '-' or samples == id then return samples end
  if samples == '-' then return id end
  local list = {}
  for sample in string.gmatch(samples, '[^,]+') do
    if sample ~= id then list[#list + 1] = sample end
  end
  -- The first is kept, and the youngest: what comes again is that.
  if #list >= SAMPLES then table.remove(list, 2) end
  list[#list + 1] = id
  return table.concat(list, ',')
end

-- The first tick at or after `at` of a group that was flushed at `flushed`, but never that flush itself.
local function tick_from(at, flushed, interval)
  return flushed + math.max(1, math.ceil((at - flushed) / interval)) * interval
end

-- KEYS from `base`: 1 records of alerts  2 ends  3 sources  4 version of the sources  5 due  6 groups  7 unsaid  8 groups by route
--                   9 buckets of new groups  10 outcomes  11 urgent  12.. the members of each group
local function plan_groups(request, base)
  local now = request.now or redis_now()
  local plan = { now = now, base = base, alerts = {}, sources = {}, groups = {}, tally = tally_of(), counts = {}, buckets = {} }
  local fingerprints, ids = {}, {}
  for i, alert in ipairs(request.alerts) do fingerprints[i] = alert[1] end
  for i, group in ipairs(request.groups) do ids[i] = group[1] end
  local texts = read_many(KEYS[base + 1], fingerprints)
  local states = read_many(KEYS[base + 6], ids)

  for i, definition in ipairs(request.groups) do
    local group = parse_group(states[definition[1]])
    plan.groups[i] = {
      id = definition[1], route = request.routes[definition[2]], definition = definition[3], wait = definition[4],
      interval = definition[5], news = definition[6] == 1, members_key = KEYS[base + 11 + i], state = group, flags = {}, changes = {},
    }
  end

  -- Takes a token of a bucket (GCRA); false when there is none.
  local function takes(id, interval, burst)
    if interval == 0 then return true end
    local now_us = now * 1000
    local tat = plan.buckets[id] or tonumber(redis.call('HGET', KEYS[base + 9], id) or '0')
    tat = math.max(math.min(tat, now_us + burst + interval), now_us)
    if tat - burst > now_us then return false end
    plan.buckets[id] = tat + interval
    return true
  end

  -- Whether the route may have one more group. What is critical is never part of a storm.
  local function admits_group(route, critical)
    local id, capacity, interval, burst = route[1], route[2], route[4], route[5]
    local count = plan.counts[id]
    if not count then
      count = { known = tonumber(redis.call('HGET', KEYS[base + 8], id) or '0'), change = 0 }
      plan.counts[id] = count
    end
    if count.known + count.change >= capacity then return false end
    return critical == 1 or takes(id, interval, burst)
  end

  local function create(group, ends_wait)
    group.state = {
      created = now, flushed = 0, tick = 0, fence = 0, said = 0, logged = -1, revision = 0, definition = group.definition,
    }
    group.is_new, group.due = true, ends_wait and now or now + group.wait
    local id = group.route[1]
    plan.counts[id] = plan.counts[id] or { known = 0, change = 0 }
    plan.counts[id].change = plan.counts[id].change + 1
  end

  local function flags_of(group, fingerprint)
    local flags = group.flags[fingerprint]
    if flags == nil then
      flags = not group.is_new and group.state and redis.call('HGET', group.members_key, fingerprint) or ''
      group.flags[fingerprint] = flags
    end
    return flags
  end

  local function join(group, fingerprint, alert, old, fresh, again, immediate, critical)
    local ends_wait = immediate or alert.starts + group.wait < now
    if not group.state then create(group, ends_wait) end
    local state, flags = group.state, flags_of(group, fingerprint)
    if again and has(flags, 'm') then ends_wait = false end
    local firing = alert.ends > now
    local changed = not has(flags, 'm') or fresh or alert.ends < old.ends
    local owes = false
    local marked = has(flags, 'm') and flags or flags .. 'm'
    -- Nothing was told yet of what begins to fire.
    if firing and (fresh or marked ~= flags) then
      -- What was not told before it began anew is still owed: less than nothing was told of what it is now.
      local said = fresh and old and not has(flags, 'h') and tonumber(string.match(marked, '%-?%d+') or '')
      marked = string.gsub(marked, '%-?[h%d]+', '') .. string.format('%d', said and said - old.count or 0)
      owes = group.news and said and said < old.count
    end
    if marked ~= flags then
      group.flags[fingerprint] = marked
      group.changes[fingerprint] = true
    end
    if changed or group.news then
      state.revision = state.revision + 1
      group.touched = true
    end
    local unsaid = firing and (not has(flags, 'f') or (group.news and fresh))
    if immediate and unsaid then group.now = true end
    if state.flushed == 0 then
      if ends_wait then group.due, group.touched = now, true end
    elseif changed or group.news or (immediate and unsaid) then
      local due = immediate and unsaid and now or tick_from(now, state.flushed, group.interval)
      group.due, group.touched = math.min(group.due or due, due), true
    end
    if state.flushed > 0 and unsaid and changed then group.unsaid = true end
    if immediate and critical == 1 and unsaid then group.urgent = true end
    return owes
  end

  for _, given in ipairs(request.alerts) do
    local fingerprint, occurrences, accounted = given[1], given[6], given[12] ~= '-'
    local old = plan.alerts[fingerprint] or parse_alert(texts[fingerprint])
    local ends = given[5] == 1 and now + given[4] or given[4]
    local alert = {
      labels = given[2], starts = given[3] or math.min(now, ends), ends = ends, updated = now, timeout = given[5],
      count = occurrences, first = given[7] or now, last = given[8] or now, samples = given[9], agent = given[11],
      route = given[12], state = accounted and 'p' or 'u',
    }
    -- What is only routed again stays as it is, whatever was read of it.
    local again = old and occurrences == 0
    local fresh = not again and (not old or alert.starts >= old.ends)
    local expires = fresh and old and old.state == 'p'
    if again then
      alert.starts, alert.ends, alert.updated, alert.timeout = old.starts, old.ends, old.updated, old.timeout
    elseif not fresh then
      merge_times(old, alert, now)
    end
    if not fresh then
      alert.count = old.count + occurrences
      alert.first, alert.last = math.min(old.first, alert.first), math.max(old.last, alert.last)
      alert.samples = add_sample(old.samples, given[9])
      alert.agent, alert.route, alert.state = old.agent, old.route, old.state
      if accounted then add(plan.tally, given[11], given[12], 'deduplicated', occurrences) end
    else
      if expires then
        add(plan.tally, old.agent, old.route, 'pending', -1)
        add(plan.tally, old.agent, old.route, 'expired', 1)
      end
      if accounted then
        add(plan.tally, given[11], given[12], 'pending', 1)
        add(plan.tally, given[11], given[12], 'deduplicated', occurrences - 1)
      end
    end
    if accounted then add(plan.tally, given[11], given[12], 'accepted', occurrences) end
    plan.alerts[fingerprint] = alert
    if given[10] == 1 then
      local at = alert.ends
      -- An end in the past is an event of now, once: an end that is told again ends nothing.
      if at <= now then at = old and old.ends > now and now or math.min(plan.sources[fingerprint] or at, now) end
      plan.sources[fingerprint] = at
    end

    -- A rule that floods from one host is told as a number.
    local throttle = request.throttle
    local floods = fresh and throttle and given[15] ~= 1 and not takes(given[16], throttle[1], throttle[2])

    local immediate = {}
    for _, position in ipairs(given[14]) do immediate[position] = true end
    for _, position in ipairs(given[13]) do
      local group = plan.groups[position]
      local overflow = plan.groups[group.route[3]]
      if (floods or not group.state) and overflow and overflow ~= group then
        -- What went into the overflow group stays there as long as that group has it.
        local stays = overflow.state and has(flags_of(overflow, fingerprint), 'm')
        if stays or floods or not admits_group(group.route, given[15]) then group = overflow end
      elseif throttle and overflow and overflow.state and has(flags_of(overflow, fingerprint), 'm') then
        group = overflow
      end
      if join(group, fingerprint, alert, old, fresh, again, immediate[position], given[15]) and expires then
        -- It is not told by itself, but in the count of what it is now.
        add(plan.tally, old.agent, old.route, 'expired', -1)
        add(plan.tally, old.agent, old.route, 'deduplicated', 1)
        expires = false
      end
    end
  end
  return plan
end

-- Answers 1 when a group is due now.
local function apply_groups(plan, outcome_prefix)
  local base, now = plan.base, plan.now
  local records, ends, sources = {}, {}, {}
  for fingerprint, alert in pairs(plan.alerts) do
    records[#records + 1], records[#records + 2] = fingerprint, format_alert(alert)
    -- An end in the past is an event of now.
    local at = string.format('%.0f', math.max(alert.ends, now))
    ends[#ends + 1], ends[#ends + 2] = at, fingerprint
    local source = plan.sources[fingerprint]
    if source then sources[#sources + 1], sources[#sources + 2] = string.format('%.0f', source), fingerprint end
  end
  if #records == 0 then return 0 end
  call_many(records, 'HSET', KEYS[base + 1])
  call_many(ends, 'ZADD', KEYS[base + 2])
  if #sources > 0 then
    call_many(sources, 'ZADD', KEYS[base + 3])
    redis.call('INCR', KEYS[base + 4])
  end
  local states, due, due_now = {}, {}, 0
  for _, group in ipairs(plan.groups) do
    if group.state and (group.is_new or group.touched) then
      states[#states + 1], states[#states + 2] = group.id, format_group(group.state)
      if group.due and group.state.fence == 0 then
        due[#due + 1], due[#due + 2] = string.format('%.0f', group.due), group.id
        if group.due <= now then due_now = 1 end
      elseif group.now then
        -- A group that is being flushed is looked at again by its flusher, which sees the new revision; a fraction tells it not to wait.
        local at = tonumber(redis.call('ZSCORE', KEYS[base + 5], group.id))
        if at == math.floor(at) then redis.call('ZADD', KEYS[base + 5], at - 0.5, group.id) end
      end
      local members = {}
      for fingerprint in pairs(group.changes) do
        members[#members + 1], members[#members + 2] = fingerprint, group.flags[fingerprint]
      end
      call_many(members, 'HSET', group.members_key)
      if group.unsaid then redis.call('SADD', KEYS[base + 7], group.id) end
      if group.urgent then redis.call('SADD', KEYS[base + 11], group.id) end
    end
  end
  call_many(states, 'HSET', KEYS[base + 6])
  call_many(due, 'ZADD', KEYS[base + 5], 'LT')
  for id, count in pairs(plan.counts) do
    if count.change ~= 0 then redis.call('HINCRBY', KEYS[base + 8], id, count.change) end
  end
  for id, tat in pairs(plan.buckets) do redis.call('HSET', KEYS[base + 9], id, string.format('%.0f', tat)) end
  write_tally(plan.tally, KEYS[base + 10], outcome_prefix)
  return due_now
end
