// The agent's page. Texts of customers are only ever set as textContent.
"use strict";

const $ = (id) => document.getElementById(id);
// The vendor's words: how a chat is taken, what its states and a pushed address are called.
const { take, open, held, push } = document.body.dataset;
const groups = { queued: "queued", [open]: "open", [held]: "open", closed: "closed" };
const words = { queued: "waiting", [open]: "in conversation", [held]: "on hold", closed: "closed" };
const kinds = { event: "Event ", note: "Note: " };

let selected = "";
let seen = 0; // number of the last transcript line shown
let typingTimer = 0;

function make(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

async function call(path, body) {
  const init = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const res = await fetch(path, init);
  const answer = await res.json();
  if (!res.ok) throw new Error(answer.error || res.statusText);
  return answer;
}

const source = (chat) => chat.source || chat.channel;
const pairs = (params) => Array.isArray(params) ? params.map((p) => [p.key, p.value]) : Object.entries(params || {});
const chatPath = (rest) => "/agent/chats/" + encodeURIComponent(selected) + "/" + rest;

async function act(name, args = {}) {
  try {
    await call(chatPath(name), args);
    $("problem").textContent = "";
    return true;
  } catch (err) {
    $("problem").textContent = "Not done: " + err.message + ".";
    return false;
  }
}

// refresh runs one at a time; a change that comes meanwhile runs it once more.
let busy = false;
let again = false;
async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    do {
      again = false;
      const { chats } = await call("/agent/chats");
      showList(chats);
      if (selected && !chats.some((c) => c.id === selected)) leave(); // the simulator was restarted
      if (selected) await showChat();
    } while (again);
    setLink(true);
  } catch {
    setLink(false);
  } finally {
    busy = false;
  }
}

function showList(chats) {
  const lists = { queued: [], open: [], closed: [] };
  for (const c of chats) lists[groups[c.state]].push(c);
  lists.closed.reverse();
  const focused = document.activeElement?.dataset?.chat;
  for (const [name, list] of Object.entries(lists)) {
    $("n-" + name).textContent = list.length;
    $(name).replaceChildren(...list.slice(0, 200).map(listItem));
  }
  if (focused) document.querySelector(`[data-chat="${CSS.escape(focused)}"]`)?.focus();
  document.title = lists.queued.length ? `(${lists.queued.length}) Agent desk` : "Agent desk";
}

function listItem(c) {
  const button = make("button");
  button.type = "button";
  button.dataset.chat = c.id;
  button.setAttribute("aria-current", String(c.id === selected));
  button.append(make("span", "name", c.name || "Unknown customer"));
  button.append(` #${c.number}` + (source(c) ? ` · ${source(c)}` : "") + (c.state === held ? " · on hold" : ""));
  button.append(make("span", "last", c.typing ? "is typing…" : c.last));
  button.addEventListener("click", () => select(c.id));
  const li = make("li");
  li.append(button);
  return li;
}

function leave() {
  selected = "";
  $("empty").hidden = false;
  $("chat").hidden = true;
}

function select(id) {
  stopTyping();
  selected = id;
  seen = 0;
  $("log").replaceChildren();
  $("problem").textContent = "";
  $("empty").hidden = true;
  $("chat").hidden = false;
  refresh();
}

async function showChat() {
  const id = selected;
  const { chat, messages } = await call(chatPath("messages?after=" + seen));
  if (id !== selected) return;
  $("who").textContent = `${chat.name || "Unknown customer"} #${chat.number}`;
  $("about").textContent = [words[chat.state], chat.queue && "queue " + chat.queue, chat.team && "team " + chat.team,
    chat.agent && "agent " + chat.agent, source(chat) && "from " + source(chat),
    chat.webhooks_waiting && chat.webhooks_waiting + " webhooks wait"].filter(Boolean).join(" · ");
  const params = pairs(chat.params);
  $("params-box").hidden = params.length === 0;
  $("params").replaceChildren(...params.flatMap(([k, v]) => [make("dt", "", k), make("dd", "", v)]));
  for (const b of document.querySelectorAll("[data-act]")) b.hidden = !b.dataset.in.split(" ").includes(chat.state);
  $("form").hidden = groups[chat.state] !== "open";
  $("typing").textContent = chat.typing ? `${chat.name || "The customer"} is typing…` : "";
  showMessages(messages);
}

function showMessages(messages) {
  const log = $("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  for (const m of messages) {
    if (m.n <= seen) continue;
    seen = m.n;
    log.append(line(m));
  }
  if (messages.length && atEnd) log.scrollTop = log.scrollHeight;
}

function line(m) {
  const li = make("li", m.from);
  const at = new Date(m.at).toLocaleTimeString();
  if (m.from === "system") {
    li.textContent = `${at} ${m.text}`;
    return li;
  }
  li.append(make("span", "text", (kinds[m.kind] || "") + m.text));
  for (const [k, v] of pairs(m.params)) li.append(make("span", "meta", `${k}: ${v}`));
  for (const f of m.attachments || []) li.append(make("span", "meta", f.url));
  const size = m.kind === "text" ? ` · ${m.units} units, ${m.bytes} bytes` : "";
  const meta = make("span", "meta", `${m.name || m.from} · ${at}${size}`);
  if (m.truncated) meta.append(make("span", "cut", " · cut at 1024 units"));
  li.append(meta);
  return li;
}

function stopTyping() {
  if (!typingTimer) return;
  clearTimeout(typingTimer);
  typingTimer = 0;
  act("typing", { on: false });
}

$("text").addEventListener("input", () => {
  if (typingTimer) clearTimeout(typingTimer);
  else act("typing", { on: true });
  typingTimer = setTimeout(stopTyping, 4000);
});

$("text").addEventListener("keydown", (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
    e.preventDefault();
    $("form").requestSubmit();
  }
});

$("form").addEventListener("submit", async (e) => {
  e.preventDefault();
  const text = $("text").value;
  const url = $("url").value.trim();
  if (!text.trim() && !url) return;
  stopTyping();
  const note = $("private")?.checked;
  if (await act(note ? "note" : url ? push : "say", note || !url ? { text } : { text, url })) {
    $("text").value = "";
    $("url").value = "";
    if (note) $("private").checked = false;
    $("text").focus();
  }
});

for (const b of document.querySelectorAll("[data-act]")) {
  b.addEventListener("click", async () => {
    stopTyping();
    const done = await act(b.dataset.act, b.dataset.act === take ? { agent: $("agent").value.trim() } : JSON.parse(b.dataset.args || "{}"));
    if (done && b.dataset.act === take) {
      await refresh();
      $("text").focus();
    }
  });
}

function setLink(up) {
  $("link").classList.toggle("up", up);
  $("link").textContent = up ? "connected" : "reconnecting";
}

const changes = new EventSource("/agent/changes");
changes.addEventListener("open", () => setLink(true));
changes.addEventListener("error", () => setLink(false));
changes.addEventListener("change", refresh);
