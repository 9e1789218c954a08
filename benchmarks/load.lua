-- Load of distinct searches for wrk: each thread takes its own lines of a file of JSON bodies.
-- Arguments: the file, the path, the line to begin with, and how many threads there are.
-- What came back is printed as one line of JSON after wrk's own.

local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function init(arguments)
  path = arguments[2]
  bodies, at = {}, number
  for line in io.lines(arguments[1]) do
    bodies[#bodies + 1] = line
  end
  at, step = tonumber(arguments[3]) + number, tonumber(arguments[4])
  headers = { ["Content-Type"] = "application/json" }
  answered, busy, failed = 0, 0, 0
end

function request()
  local body = bodies[at % #bodies + 1]
  at = at + step
  return wrk.format("POST", path, headers, body)
end

function response(status)
  if status == 200 then
    answered = answered + 1
  elseif status == 503 then
    busy = busy + 1
  else
    failed = failed + 1
  end
end

function done(summary, latency)
  local answered, busy, failed = 0, 0, 0
  for _, thread in ipairs(threads) do
    answered = answered + thread:get("answered")
    busy = busy + thread:get("busy")
    failed = failed + thread:get("failed")
  end
  local errors = summary.errors
  print(string.format(
    '{"seconds": %f, "answered": %d, "busy": %d, "failed": %d, "connect": %d, "read": %d,' ..
    ' "write": %d, "timeout": %d, "p50_ms": %f, "p90_ms": %f, "p99_ms": %f, "max_ms": %f}',
    summary.duration / 1e6, answered, busy, failed, errors.connect, errors.read,
    errors.write, errors.timeout, latency:percentile(50) / 1e3, latency:percentile(90) / 1e3,
    latency:percentile(99) / 1e3, latency.max / 1e3))
end
