// The chat that is shown: its head, what was said, what is known of the customer.
import { $, call, chatPath, desk, make, pairs, problem, source, words } from "./api.js";
import { line, receipt } from "./lines.js";
import { groups, markRead } from "./list.js";

const states = { queued: "waiting", [words.open]: "in conversation", [words.held]: "on hold", closed: "closed" };

let seen = 0; // number of the last line shown

export function clear() {
  seen = 0;
  desk.chat = null;
  $("log").replaceChildren();
  problem("");
  $("empty").hidden = desk.selected !== "";
  $("chat").hidden = desk.selected === "";
}

export async function showChat() {
  const id = desk.selected;
  const { chat, profile, messages } = await call(chatPath(id, "messages?after=" + seen));
  if (id !== desk.selected) return;
  desk.chat = chat;
  markRead(chat);
  const name = chat.name || "Unknown customer";
  $("who").textContent = `${name} #${chat.number}`;
  $("about").textContent = [states[chat.state], chat.for && "for " + chat.for, chat.queue && "queue " + chat.queue,
    chat.team && "team " + chat.team, chat.agent && "agent " + chat.agent, source(chat) && "from " + source(chat),
    chat.disposition, chat.webhooks_waiting && chat.webhooks_waiting + " webhooks wait"].filter(Boolean).join(" · ");
  facts("profile", (profile || []).map((f) => [f.name, f.value]));
  const params = pairs(chat.params);
  $("params-title").hidden = params.length === 0;
  facts("params", params);
  for (const e of document.querySelectorAll("[data-in]")) {
    e.hidden = !e.dataset.in.split(" ").includes(chat.state);
    if (e.hidden) e.open = false;
  }
  $("form").hidden = groups[chat.state] !== "open";
  $("typing").textContent = chat.typing ? `${name} is typing…` : "";
  showLines(messages);
}

function facts(id, list) {
  $(id).replaceChildren(...list.flatMap(([k, v]) => [make("dt", "", k), make("dd", "", v)]));
}

function showLines(messages) {
  const log = $("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  for (const m of messages) {
    if (m.n <= seen) continue;
    seen = m.n;
    if (m.kind === "receipt") receipt(log, m);
    else log.append(line(m));
  }
  if (messages.length && atEnd) log.scrollTop = log.scrollHeight;
}
