-- What a TSP message can see, and nothing else. Runs once for each interpreter.
--
-- Python hands in a few functions. They are called from closures here and from nowhere else: a message never gets hold
-- of one, so it never gets hold of a Python object. Only numbers, strings, booleans and nil cross the border. No
-- function given to messages takes longer than its length and the interpreter's memory allow: what could loop inside C
-- without end (patterns, sort, move) or escape (load, debug, coroutines, metatables, pcall) is not there.

local vocabulary, host_get, host_set, host_element, host_call, host_text, host_say, host_tick, HOOK_EVERY, INSTRUCTIONS =
    ...

local byte, char, find, format, gmatch = string.byte, string.char, string.find, string.format, string.gmatch
local lower, rep, reverse, sub, upper = string.lower, string.rep, string.reverse, string.sub, string.upper
local concat, insert, remove, pack, raw_unpack = table.concat, table.insert, table.remove, table.pack, table.unpack
local error, ipairs, load, next, pairs, pcall = error, ipairs, load, next, pairs, pcall
local select, setmetatable, tonumber, raw_tostring, type = select, setmetatable, tonumber, tostring, type
local set_hook, string_metatable, m = debug.sethook, getmetatable(""), math

local LONGEST_TEXT = 65536
local LONGEST_FORMAT = 256
local MOST_ARGUMENTS = 8
local MOST_UNPACKED = 250
local MOST_COMPARED = 1000000

local path_of = setmetatable({}, {__mode = "k"})

local function tostring(value)
    -- The address of a table or function says where the interpreter lies in memory.
    local kind = type(value)
    if kind == "number" then return format("%.14g", value) end
    if kind == "string" or kind == "boolean" or kind == "nil" then return raw_tostring(value) end
    return kind
end

local function as_text(value, name)
    if type(value) == "number" then return tostring(value) end
    if type(value) ~= "string" then error("bad argument to '" .. name .. "' (string expected)", 3) end
    return value
end

local function as_integer(value, otherwise, name)
    if value == nil then return otherwise end
    local number = m.tointeger(tonumber(value))
    if number == nil then error("bad argument to '" .. name .. "' (whole number expected)", 3) end
    return number
end

-- Border

local function encoded(value)
    local kind = type(value)
    if kind == "number" then return "n", value + 0.0 end
    if kind == "string" then return "s", value end
    if kind == "boolean" then return "b", value end
    if kind == "nil" then return "0", false end
    if kind ~= "table" then error("a " .. kind .. " cannot be given to the instrument", 4) end
    if path_of[value] then return "o", path_of[value] end
    local items = {}
    for index = 1, #value do
        if type(value[index]) ~= "number" then error("a list may hold numbers only", 4) end
        items[index] = format("%.17g", value[index])
    end
    return "l", concat(items, ",")
end

local function unwrapped(ok, ...)
    if not ok then error((...), 4) end
    return ...
end

local function called(path, ...)
    local count = select("#", ...)
    if count > MOST_ARGUMENTS then error("too many arguments", 3) end
    local kinds, values = {}, {}
    for index = 1, count do
        kinds[index], values[index] = encoded((select(index, ...)))
    end
    return unwrapped(host_call(path, concat(kinds), raw_unpack(values, 1, count)))
end

local function read_only(key)
    error("cannot assign to '" .. tostring(key) .. "': there is no such attribute", 3)
end

local function new_node(path, members, attributes, is_indexed)
    local node = {}
    path_of[node] = path
    return setmetatable(node, {
        __metatable = false,
        __index = function(_, key)
            if members[key] ~= nil then return members[key] end
            if attributes[key] then return unwrapped(host_get(path .. "." .. key)) end
            if is_indexed and type(key) == "number" then return unwrapped(host_element(path, key + 0.0)) end
            return nil
        end,
        __newindex = function(_, key, value)
            if not attributes[key] then read_only(key) end
            unwrapped(host_set(path .. "." .. key, encoded(value)))
        end,
    })
end

-- Names that every message may use

local text = {
    len = function(s) return #as_text(s, "len") end,
    lower = function(s) return lower(as_text(s, "lower")) end,
    upper = function(s) return upper(as_text(s, "upper")) end,
    reverse = function(s) return reverse(as_text(s, "reverse")) end,
    sub = function(s, i, j) return sub(as_text(s, "sub"), as_integer(i, 1, "sub"), as_integer(j, -1, "sub")) end,
    char = function(...)
        if select("#", ...) > MOST_UNPACKED then error("too many arguments to 'char'", 2) end
        return char(...)
    end,
    byte = function(s, i, j)
        s = as_text(s, "byte")
        i = as_integer(i, 1, "byte")
        j = as_integer(j, i, "byte")
        if #sub(s, i, j) > MOST_UNPACKED then error("string slice too long", 2) end
        return byte(s, i, j)
    end,
    rep = function(s, n)
        s, n = as_text(s, "rep"), as_integer(n, 0, "rep")
        if n <= 0 or s == "" then return "" end
        if n > LONGEST_TEXT or #s * n > LONGEST_TEXT then error("resulting string too large", 2) end
        return rep(s, n)
    end,
    find = function(s, piece, init)
        -- Literal: a pattern can take longer than the age of the bench, and no hook runs inside.
        s, piece = as_text(s, "find"), as_text(piece, "find")
        if #s * #piece > MOST_COMPARED then error("string too long to search", 2) end
        return find(s, piece, as_integer(init, 1, "find"), true)
    end,
    format = function(form, ...)
        form = as_text(form, "format")
        if #form > LONGEST_FORMAT or select("#", ...) > MOST_UNPACKED then error("format too long", 2) end
        if find(form, "%%[^%a%%]*p") then error("invalid conversion to 'format'", 2) end
        local values = pack(...)
        for index = 1, values.n do
            if type(values[index]) ~= "number" then values[index] = tostring(values[index]) end
        end
        return format(form, raw_unpack(values, 1, values.n))
    end,
}
string_metatable.__index = text
string_metatable.__metatable = false

local function unpack(list, first, last)
    first = as_integer(first, 1, "unpack")
    last = as_integer(last, #list, "unpack")
    if last - first >= MOST_UNPACKED then error("too many results to unpack", 2) end
    return raw_unpack(list, first, last)
end

local function joined_numbers(...)
    local pieces = pack(...)
    if pieces.n > MOST_UNPACKED then error("too many arguments", 3) end
    for index = 1, pieces.n do
        local number = tonumber(pieces[index])
        if number == nil then error("number expected", 3) end
        pieces[index] = unwrapped(host_text(number + 0.0))
    end
    return concat(pieces, ", ")
end

local builtins = {
    _VERSION = "Lua 5.0",
    type = type, tonumber = tonumber, tostring = tostring,
    next = next, pairs = pairs, ipairs = ipairs, select = select, unpack = unpack,
    error = function(message, level)
        level = as_integer(level, 1, "error")
        error(tostring(message), level > 0 and level + 1 or 0)
    end,
    assert = function(value, message)
        if not value then error(tostring(message == nil and "assertion failed!" or message), 2) end
        return value
    end,
    print = function(...)
        local pieces = pack(...)
        if pieces.n > MOST_UNPACKED then error("too many arguments to 'print'", 2) end
        for index = 1, pieces.n do
            local piece = pieces[index]
            pieces[index] = type(piece) == "number" and unwrapped(host_text(piece + 0.0)) or tostring(piece)
        end
        unwrapped(host_say(concat(pieces, "\t", 1, pieces.n)))
    end,
    printnumber = function(...) unwrapped(host_say(joined_numbers(...))) end,
    string = text,
    table = {
        insert = insert, remove = remove, concat = concat, unpack = unpack,
        getn = function(list) return #list end,
    },
    math = {
        abs = m.abs, acos = m.acos, asin = m.asin, atan = m.atan, ceil = m.ceil, cos = m.cos, deg = m.deg, exp = m.exp,
        floor = m.floor, fmod = m.fmod, mod = m.fmod, huge = m.huge, log = m.log, max = m.max, min = m.min, pi = m.pi,
        rad = m.rad, random = m.random, sin = m.sin, sqrt = m.sqrt, tan = m.tan,
        log10 = function(x) return m.log(x, 10) end,
        pow = function(x, y) return x ^ y end,
        randomseed = function(seed) m.randomseed(seed) end,
    },
    bit = {
        bitand = function(a, b) return a & b end,
        bitor = function(a, b) return a | b end,
        bitxor = function(a, b) return a ~ b end,
    },
}

-- The instrument's own names: lines of `<kind> <path> [<number>]`

local nodes = {[""] = {members = builtins, attributes = {}}}

local function node_at(path, is_indexed)
    local found = nodes[path]
    if found then return found end
    local parent, name = "", path
    for position = #path, 1, -1 do
        if sub(path, position, position) == "." then
            parent, name = sub(path, 1, position - 1), sub(path, position + 1)
            break
        end
    end
    local around = node_at(parent)
    local made = {members = {}, attributes = {}}
    nodes[path] = made
    around.members[tonumber(name) or name] = new_node(path, made.members, made.attributes, is_indexed)
    return made
end

for kind, parent, name, number in gmatch(vocabulary, "(%a) ([%w_.]-)%.?([%w_]+) ([^\n]*)\n") do
    local path = parent == "" and name or parent .. "." .. name
    if kind == "e" then
        node_at(path, true)
    elseif kind == "a" then
        node_at(parent).attributes[name] = true
    elseif kind == "f" then
        node_at(parent).members[name] = function(...) return called(path, ...) end
    else
        node_at(parent).members[name] = tonumber(number)
    end
end

-- Messages and scripts

-- Messages write here and read through to the names above, so that hiding a name is the most they can do to it.
local environment = setmetatable({}, {
    __metatable = false,
    __index = builtins,
    __pairs = function(globals)
        return function(_, key) return next(builtins, key) end, globals, nil
    end,
})
builtins._G = environment

local used = 0
local breached = false

local function hook()
    used = used + HOOK_EVERY
    if breached or used > INSTRUCTIONS or host_tick() then
        breached = true
        error("limit", 0)
    end
end

local function compiled(source, name)
    return load(source, "=" .. name, "t", environment)
end

local function run(source, name)
    local chunk, fault = compiled(source, name)
    if not chunk then return "syntax", tostring(fault) end
    used = 0
    set_hook(hook, "", HOOK_EVERY)
    local ok, failure = pcall(chunk)
    set_hook()
    if breached then return "breach", "" end
    if ok then return "ok", "" end
    return "runtime", tostring(failure)
end

local function keep(source, name)
    local chunk, fault = compiled(source, name)
    if not chunk then return "syntax", tostring(fault) end
    local function start() chunk() end
    environment[name] = setmetatable({}, {
        __metatable = false,
        __call = start,
        __newindex = function(_, key) read_only(key) end,
        __index = {run = start, name = name, source = source, save = function() end},
    })
    return "ok", ""
end

return run, keep
