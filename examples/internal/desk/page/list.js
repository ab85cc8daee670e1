// The list of chats: who waits and for how long, and what has not been read.
import { $, clock, desk, make, source, words } from "./api.js";

export const most = 200; // chats of a state that are shown
const read = new Map(); // by chat: how much of the other side was seen

export const groups = { queued: "queued", [words.open]: "open", [words.held]: "open", closed: "closed" };

export function markRead(chat) { read.set(chat.id, chat.heard); }

const unread = (c) => Math.max(0, c.heard - (read.get(c.id) || 0));

let order = []; // ids of the open chats as they are shown

export function showList({ chats, counts }, select) {
  const all = { queued: 0, open: 0, closed: 0 };
  for (const [state, n] of Object.entries(counts)) all[groups[state]] += n;
  const lists = { queued: [], open: [], closed: [] };
  for (const c of chats) lists[groups[c.state]].push(c);
  lists.queued.sort((a, b) => new Date(a.since) - new Date(b.since));
  lists.closed.reverse();
  const focused = document.activeElement?.dataset?.chat;
  for (const [name, list] of Object.entries(lists)) {
    $("n-" + name).textContent = all[name];
    $(name).replaceChildren(...list.map((c) => item(c, select)));
  }
  if (focused) document.querySelector(`[data-chat="${CSS.escape(focused)}"]`)?.focus();
  order = [...lists.queued, ...lists.open].map((c) => c.id);
  announce(lists, all.queued);
  tick();
}

let told = "";
function announce(lists, waiting) {
  const news = lists.open.filter((c) => c.id !== desk.selected && unread(c)).length;
  document.title = (waiting + news ? `(${waiting + news}) ` : "") + "Agent desk";
  const text = [waiting && waiting + " waiting", news && news + " chats with unread messages"].filter(Boolean).join(", ");
  if (text !== told) $("news").textContent = told = text;
}

function item(c, select) {
  const button = make("button");
  button.type = "button";
  button.dataset.chat = c.id;
  button.dataset.testid = "chat-" + c.number;
  button.setAttribute("aria-current", String(c.id === desk.selected));
  const n = c.id === desk.selected || c.state === "closed" ? 0 : unread(c);
  if (n) {
    const mark = make("span", "unread", String(n));
    mark.append(make("span", "hide", " unread"));
    button.append(mark);
  }
  button.append(make("span", "name", c.name || "Unknown customer"));
  button.append(` #${c.number}` + (source(c) ? ` · ${source(c)}` : "") + (c.state === words.held ? " · on hold" : ""));
  button.append(wait(c));
  button.append(make("span", "last", c.typing ? "is typing…" : c.last));
  button.addEventListener("click", () => select(c.id));
  const li = make("li");
  li.append(button);
  return li;
}

// wait says how long somebody waits: for an agent, or for an answer.
function wait(c) {
  const line = make("span", "wait");
  const since = c.state === "queued" ? c.since : c.unanswered;
  if (since) line.dataset.since = since;
  line.dataset.label = c.state === "queued" ? (c.for ? `for ${c.for} ` : "") + "waits " : since ? "unanswered " : "";
  if (c.state !== "queued" && c.state !== "closed") line.dataset.label = c.agent + (since ? " · unanswered " : "");
  if (c.state === "closed") line.dataset.label = c.disposition || "";
  return line;
}

// tick writes the times; it runs once a second.
export function tick() {
  for (const e of document.querySelectorAll("[data-label]")) {
    const { label, since } = e.dataset;
    e.textContent = label + (since ? clock(since) : "");
    e.classList.toggle("late", !!since && Date.now() - new Date(since) > 120_000);
  }
}

// neighbour returns the chat before or after the one that is shown.
export function neighbour(step) {
  if (!order.length) return "";
  const at = order.indexOf(desk.selected);
  return order[(at + step + order.length) % order.length];
}
