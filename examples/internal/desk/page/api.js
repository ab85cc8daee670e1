// Calls of the agent's API, and small things that all parts of the page need.
export const $ = (id) => document.getElementById(id);

// The vendor's words: how a chat is taken, what its states and a pushed address are called.
export const words = { ...document.body.dataset };

// The page's state: the chat that is shown, and the name of who sits here.
export const desk = { selected: "", chat: null, me: () => $("agent").value.trim() || "Agent" };

export function make(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

export async function call(path, body, method) {
  const init = body === undefined ? { method: method || "GET" } : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  return answer(await fetch(path, init));
}

async function answer(res) {
  const said = await res.json();
  if (!res.ok) throw Object.assign(new Error(said.error || res.statusText), { status: res.status });
  return said;
}

// upload stores a file at the desk and returns where it is.
export async function upload(file) {
  return answer(await fetch("/agent/files?name=" + encodeURIComponent(file.name), { method: "POST", body: file }));
}

export const chatPath = (id, rest) => "/agent/chats/" + encodeURIComponent(id) + "/" + rest;

// act does something with the chat that is shown, and reports whether it was done.
export async function act(name, args = {}, id = desk.selected) {
  try {
    await call(chatPath(id, name), args);
    problem("");
    return true;
  } catch (err) {
    problem("Not done: " + err.message + ".");
    return false;
  }
}

export function problem(text) { $("problem").textContent = text; }

export const source = (chat) => chat.source || chat.channel;
export const pairs = (params) => Array.isArray(params) ? params.map((p) => [p.key, p.value]) : Object.entries(params || {});

// clock writes how long ago something was: 0:42, 12:05, 3:10:00.
export function clock(since) {
  const s = Math.max(0, Math.floor((Date.now() - new Date(since)) / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  return (h ? h + ":" + two(m) : String(m)) + ":" + two(s % 60);
}
