-- Opens a file in Neovim, waits for a diagnostic, applies the quick fix, types, and looks again.
-- Arguments come from the environment; a line beginning with "ok" on standard output is success.

local binary = os.getenv("RACEPROOF_BINARY")
local root = os.getenv("RACEPROOF_ROOT")

local function fail(message)
  io.stdout:write("failed: " .. message .. "\n")
  vim.cmd("cquit 1")
end

local function expect(condition, message)
  if not condition then
    fail(message .. ": " .. vim.inspect(vim.diagnostic.get()))
  end
end

vim.cmd("edit " .. root .. "/cache.py")
local buffer = vim.api.nvim_get_current_buf()
local client = vim.lsp.start_client({
  name = "raceproof",
  cmd = { binary, "server" },
  root_dir = root,
})
expect(client ~= nil, "the server does not start")
vim.lsp.buf_attach_client(buffer, client)

local function find(code)
  for _, diagnostic in ipairs(vim.diagnostic.get(buffer)) do
    if diagnostic.code == code then
      return diagnostic
    end
  end
end

local function wait(what, condition)
  expect(vim.wait(60000, condition, 20), "no " .. what)
end

-- The race that the file has on disk.
wait("check-then-act", function() return find("check-then-act") ~= nil end)
local diagnostic = find("check-then-act")
local related = diagnostic.user_data.lsp.relatedInformation
expect(related and #related > 0, "the other side is missing")
expect(diagnostic.user_data.lsp.codeDescription ~= nil, "the address of the page is missing")

-- Its quick fix, applied by the editor.
vim.api.nvim_win_set_cursor(0, { diagnostic.lnum + 1, diagnostic.col })
local params = vim.lsp.util.make_range_params()
params.context = { diagnostics = vim.lsp.diagnostic.get_line_diagnostics(buffer) }
local answers = vim.lsp.buf_request_sync(buffer, "textDocument/codeAction", params, 60000)
local action
for _, answer in pairs(answers or {}) do
  for _, offered in ipairs(answer.result or {}) do
    if offered.edit and offered.title:find("setdefault") then
      action = offered
    end
  end
end
expect(action ~= nil, "no quick fix: " .. vim.inspect(answers))
vim.lsp.util.apply_workspace_edit(action.edit, vim.lsp.get_client_by_id(client).offset_encoding)
local text = table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n")
expect(text:find("CACHE.setdefault%(key, %[%]%)  # empty") ~= nil, "the fix is not in the text: " .. text)
wait("end of check-then-act", function() return find("check-then-act") == nil end)

-- A race that is typed.
local count = vim.api.nvim_buf_line_count(buffer)
vim.api.nvim_buf_set_lines(buffer, count, count, false, {
  "",
  "def work_more():",
  "    global total",
  "    total += 1",
  "",
  "for function in [work_more, other.bump] * 2:",
  "    threading.Thread(target=work_more).start()",
  "    threading.Thread(target=other.bump).start()",
})
wait("unlocked-counter", function() return find("unlocked-counter") ~= nil end)
expect(find("unlocked-counter").lnum == count + 3, "the counter is reported elsewhere")

-- A finding of a file that is not open, because of what is typed here.
wait("finding in the other file", function()
  for _, it in ipairs(vim.diagnostic.get()) do
    if it.bufnr ~= buffer and it.code == "unlocked-counter" then
      return true
    end
  end
end)

local stopped = vim.lsp.get_client_by_id(client)
vim.lsp.stop_client(client)
wait("end of the server", function() return stopped.is_stopped() end)
io.stdout:write("ok\n")
vim.cmd("qall!")
