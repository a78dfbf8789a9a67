-- One request against a bucket and two windows, checked and charged in one step.
-- KEYS[1]: the budgets of one tenant at one endpoint, a hash.
-- ARGV: interval and depth of the bucket (µs), limits of a minute and of an hour, requests owed from an outage.
-- Answers 0 when admitted, else the microseconds until the budgets have room; -1 for never.
local PARTS = 61
local key = KEYS[1]
local interval, depth = tonumber(ARGV[1]), tonumber(ARGV[2])
local owed = tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local windows = {
  { name = 'm', length = 1000000, limit = tonumber(ARGV[3]) },
  { name = 'h', length = 60000000, limit = tonumber(ARGV[4]) },
}

local state = redis.call('HMGET', key, 'latest', 'arrival', 'm', 'h')
local latest = tonumber(state[1]) or 0
local arrival = tonumber(state[2]) or 0
-- A server whose clock was set back stands still until it has caught up.
if now < latest then now = latest end

for place, window in ipairs(windows) do
  window.total = tonumber(state[place + 2]) or 0
  window.part = math.floor(now / window.length)
  local last = math.floor(latest / window.length)
  -- A part that comes takes the place of the one that leaves.
  for part = math.max(last + 1, window.part - PARTS + 1), window.part do
    local field = window.name .. (part % PARTS)
    local gone = tonumber(redis.call('HGET', key, field))
    if gone then
      window.total = window.total - gone
      redis.call('HDEL', key, field)
    end
  end
end

local function charge(count)
  if count == 0 then return end
  arrival = math.max(arrival, now) + count * interval
  for _, window in ipairs(windows) do
    window.total = window.total + count
    redis.call('HINCRBY', key, window.name .. (window.part % PARTS), count)
  end
end

charge(owed)

local wait = math.max(arrival, now) + interval - (now + depth)
for _, window in ipairs(windows) do
  local left = window.total
  for part = window.part - PARTS + 1, window.part do
    if left < window.limit then break end
    left = left - (tonumber(redis.call('HGET', key, window.name .. (part % PARTS))) or 0)
    if left < window.limit then wait = math.max(wait, (part + PARTS) * window.length - now) end
  end
end
if depth < interval then
  wait = -1
elseif wait <= 0 then
  wait = 0
  charge(1)
end

redis.call('HSET', key, 'latest', now, 'arrival', arrival, 'm', windows[1].total, 'h', windows[2].total)
redis.call('PEXPIRE', key, 3720000 + math.ceil(math.max(0, arrival - now) / 1000))
return wait
