// The customer's page. It registers once and keeps its token, gets messages
// over MQTT, and sends everything else over REST. Whatever was not confirmed
// is sent again, with the same id, so nothing is lost and nothing appears twice.

const maxLog = 200; // messages kept in this browser
const el = (id) => document.getElementById(id);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const backoff = (attempt) => Math.min(30_000, 500 * 2 ** Math.min(attempt, 6)) * (0.5 + Math.random() / 2);
const device = "web-" + crypto.getRandomValues(new Uint32Array(2)).join("-");

let hook = ""; // https://gateway/hooks/webshop
let me = null; // what register answered
let log = []; // {tid, mine, text, …, state: waiting | sent | failed}
let mqttClient = null;
let session = 0; // counts registrations; work of an earlier one ends

// ---- what this browser keeps ----

const read = (key) => {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null; // it was damaged, or storage is off
  }
};
const write = (key, value) => {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // full or off: the chat works, and is forgotten with the page
  }
};
const keep = () => {
  if (!me) return;
  log = log.slice(-maxLog);
  write("webchat.log", { userId: me.userId, log });
};

// ---- REST ----

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function post(path, body, token) {
  const headers = { "content-type": "application/json" };
  if (token) headers[path === "/register" ? "authorization" : "accesstoken"] = path === "/register" ? "Bearer " + token : token;
  const response = await fetch(hook + path, {
    method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(15_000),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, answer.error?.message ?? "the server answered " + response.status);
  return answer;
}

const final = (err) => err instanceof Refused && err.status >= 400 && err.status < 500 && ![401, 408, 425, 429].includes(err.status);

// register gets a token, or a fresh one for the same user. The profile travels
// in the token, and is told again only if the token has become too old.
async function register(data = me?.data) {
  const body = { deviceId: device, ...(data && !me ? { data } : {}) };
  let answer;
  try {
    answer = await post("/register", body, me?.accessToken);
  } catch (err) {
    if (!(me && err instanceof Refused && err.status === 401)) throw err;
    answer = await post("/register", { ...body, data }); // to the gateway this is a new customer
  }
  me = { ...answer, data };
  write("webchat.me", me);
}

// ---- MQTT ----

function status(text, up) {
  el("link").textContent = text;
  el("link").classList.toggle("up", Boolean(up));
}

// stayConnected connects again and again, with a fresh token each time.
async function stayConnected() {
  const mine = ++session;
  for (let attempt = 0; mine === session; attempt++) {
    try {
      status(attempt ? "connecting again…" : "connecting…");
      await register();
      if (mine !== session) return;
      flush();
      report();
      if (await connection(mine)) attempt = 0;
    } catch (err) {
      if (final(err)) el("problem").textContent = err.message;
    }
    if (mine !== session) return;
    status("offline, trying again");
    await pause(backoff(attempt));
  }
}

// connection lasts until it breaks, and says whether it was up at all.
function connection(mine) {
  const url = hook.replace(/^http/, "ws") + "/mqtt";
  const { username, topic, clientId } = me.broker;
  return new Promise((resolve) => {
    let up = false;
    const client = mqtt.connect(url, {
      username, password: me.accessToken, clientId, clean: true, protocolVersion: 5,
      keepalive: 30, reconnectPeriod: 0, connectTimeout: 10_000, timerVariant: "native",
    });
    mqttClient = client;
    client.on("connect", async () => {
      try {
        await client.subscribeAsync(topic, { qos: 1 });
        up = true;
        el("problem").textContent = "";
        status("online", true);
      } catch {
        client.end(true);
      }
    });
    client.on("message", (_, payload) => mine === session && receive(payload));
    client.on("error", () => client.end(true));
    client.on("close", () => {
      client.end(true);
      resolve(up);
    });
  });
}

function receive(payload) {
  let m;
  try {
    m = JSON.parse(new TextDecoder().decode(payload));
  } catch {
    return;
  }
  if (m.payload_type === "typingStart" || m.payload_type === "typingStop") {
    agentTyping(m.payload_type === "typingStart");
    return;
  }
  if (m.payload_type !== "message" || !m.tid) return;
  agentTyping(false);
  const known = log.find((known) => known.tid === m.tid);
  if (!known) {
    log.push({
      tid: m.tid, text: m.message, name: m.agentName, author: m.author, at: m.created_on, late: m.late,
      media: m.media, urlPush: m.urlPush, quickReplies: m.quickReplies,
    });
    keep();
    render();
  }
  receipts.delivered.add(m.tid); // again, if the first word of it was lost
  if (known?.read) receipts.read.add(m.tid);
  report();
}

// ---- receipts ----

const receipts = { delivered: new Set(), read: new Set(), busy: false };
const looking = () => document.visibilityState === "visible" && document.hasFocus();

async function report() {
  if (receipts.busy) return;
  receipts.busy = true;
  for (let attempt = 0; me && (receipts.delivered.size || receipts.read.size); ) {
    const [set, code] = receipts.delivered.size ? [receipts.delivered, 2] : [receipts.read, 3];
    const tids = [...set].slice(0, 100);
    try {
      await post("/deliveryupdate", { tids, status: code }, me.accessToken);
      tids.forEach((tid) => set.delete(tid));
      attempt = 0;
    } catch (err) {
      if (final(err)) tids.forEach((tid) => set.delete(tid));
      else await pause(backoff(attempt++));
    }
  }
  receipts.busy = false;
}

function seen() {
  if (!me || !looking()) return;
  const unread = log.filter((m) => !m.mine && !m.read);
  if (unread.length === 0) return;
  unread.forEach((m) => {
    m.read = true;
    receipts.read.add(m.tid);
  });
  keep();
  report();
}

// ---- sending ----

let flushing = false;

function send(text, quickReply) {
  log.push({ tid: crypto.randomUUID?.() ?? device + "-" + Date.now() + "-" + log.length, mine: true, text, quickReply,
    at: new Date().toISOString(), state: "waiting" });
  keep();
  render();
  typing(false);
  flush();
}

// flush sends what waits, one after the other, so that order is kept.
async function flush() {
  if (flushing) return;
  flushing = true;
  for (let attempt = 0; me; ) {
    const m = log.find((m) => m.mine && m.state === "waiting");
    if (!m) break;
    try {
      await post("/mo", { tid: m.tid, message: m.text, ...(m.quickReply ? { quickReply: m.quickReply } : {}) }, me.accessToken);
      m.state = "sent";
      attempt = 0;
    } catch (err) {
      if (final(err)) {
        m.state = "failed";
        m.why = err.message;
      } else if (err instanceof Refused && err.status === 401) {
        await register().catch(() => pause(backoff(attempt++)));
      } else {
        await pause(backoff(attempt++));
      }
    }
    keep();
    render();
  }
  flushing = false;
}

// ---- typing, both ways ----

let typingSent = 0;
let typingOff = 0;
let agentTypingOff = 0;

function typing(on) {
  clearTimeout(typingOff);
  if (!me) return;
  if (on) typingOff = setTimeout(() => typing(false), 4000);
  if (on ? Date.now() - typingSent < 3000 : typingSent === 0) return;
  typingSent = on ? Date.now() : 0;
  post("/typing", { on }, me.accessToken).catch(() => {}); // it is a courtesy
}

function agentTyping(on) {
  clearTimeout(agentTypingOff);
  el("typing").textContent = on ? "Somebody is typing…" : "";
  if (on) agentTypingOff = setTimeout(() => agentTyping(false), 6000);
}

// ---- the page ----

function make(tag, className, text) {
  const e = document.createElement(tag);
  e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

function link(href, text) {
  const a = make("a", "", text || href);
  const url = URL.canParse(href) ? new URL(href) : null;
  if (url && (url.protocol === "https:" || url.protocol === "http:")) {
    a.href = url.href;
    a.target = "_blank";
    a.rel = "noopener noreferrer";
  }
  return a;
}

function note(m) {
  const at = new Date(m.at);
  const time = isNaN(at) ? "" : at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (m.mine) return { waiting: "sending…", sent: time, failed: "not sent: " + m.why }[m.state];
  const who = m.name || { bot: "Assistant", rule: "Automatic", system: "Automatic" }[m.author] || "Agent";
  return [who, time, m.late ? "late" : ""].filter(Boolean).join(", ");
}

function row(m) {
  const li = make("li", m.mine ? "mine " + m.state : "");
  const bubble = make("p", "bubble");
  const links = [...(m.media ?? [])];
  const at = m.urlPush ? m.text.indexOf(m.urlPush) : -1;
  if (at < 0) bubble.append(m.text);
  else bubble.append(m.text.slice(0, at), link(m.urlPush), m.text.slice(at + m.urlPush.length));
  if (m.urlPush && at < 0) links.push({ url: m.urlPush });
  for (const f of links) bubble.append("\n", link(f.url, f.name || f.caption));
  li.append(bubble, make("p", "note", note(m)));
  return li;
}

// The last message stays in sight when the page becomes smaller, for a keyboard.
let atEnd = true;
const toEnd = () => {
  el("log").scrollTop = el("log").scrollHeight;
};
el("log").addEventListener("scroll", () => {
  const list = el("log");
  atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
});
new ResizeObserver(() => atEnd && toEnd()).observe(el("log"));

const shown = new Map(); // tid: element and what it showed

function render() {
  const list = el("log");
  const wanted = new Set(log.map((m) => m.tid));
  for (const [tid, { li }] of shown) {
    if (wanted.has(tid)) continue;
    li.remove();
    shown.delete(tid);
  }
  let added = false;
  for (const m of log) {
    const known = shown.get(m.tid);
    if (known && known.state === m.state) continue;
    const li = row(m);
    if (known) known.li.replaceWith(li);
    else list.append(li);
    added ||= !known;
    shown.set(m.tid, { li, state: m.state });
  }
  if (added) toEnd();
  const last = log.at(-1);
  el("choices").replaceChildren(...(last?.quickReplies ?? []).map((q) => {
    const b = make("button", "", q.title);
    b.type = "button";
    b.addEventListener("click", () => send(q.title, q));
    return b;
  }));
  seen();
}

function open() {
  el("welcome").hidden = true;
  el("chat").hidden = false;
  el("leave").hidden = false;
  const kept = read("webchat.log");
  log = kept?.userId === me.userId && Array.isArray(kept.log) ? kept.log : [];
  render();
  el("text").focus();
  stayConnected();
}

function leave() {
  session++;
  mqttClient?.end(true);
  me = null;
  log = [];
  receipts.delivered.clear();
  receipts.read.clear();
  localStorage.removeItem("webchat.me");
  localStorage.removeItem("webchat.log");
  render();
  status("offline");
  el("chat").hidden = el("leave").hidden = true;
  el("welcome").hidden = false;
  el("name").focus();
}

el("welcome").addEventListener("submit", async (event) => {
  event.preventDefault();
  el("problem").textContent = "";
  const name = el("name").value.trim();
  try {
    await register({ ...(name ? { name } : {}), locale: navigator.language,
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone });
    open();
  } catch (err) {
    el("problem").textContent = err instanceof Refused ? err.message : "The gateway cannot be reached. Is it running, and is this page among the channel's origins?";
  }
});
el("write").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = el("text").value.trim();
  if (!text) return;
  el("text").value = "";
  send(text);
});
el("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  el("write").requestSubmit();
});
el("text").addEventListener("input", () => typing(el("text").value !== ""));
el("leave").addEventListener("click", leave);
document.addEventListener("visibilitychange", seen);
window.addEventListener("focus", seen);

hook = (await (await fetch("config.json")).json()).hook;
me = read("webchat.me");
if (me?.accessToken) open();
else el("welcome").hidden = false;
