// Lines of a conversation. Texts of customers are only ever set as textContent.
import { make, pairs } from "./api.js";

const authors = { bot: "Bot", automatic: "Automatic", system: "System", agent: "Other agent", customer: "Customer" };
const ticks = { sent: "sent", delivered: "✓ delivered", read: "✓✓ read", failed: "✗ not delivered" };

export function line(m) {
  const li = make("li", m.from);
  li.dataset.kind = m.kind;
  const at = new Date(m.at).toLocaleTimeString();
  if (m.from === "system") {
    li.textContent = `${at} ${m.text}`;
    return li;
  }
  li.classList.add(m.kind);
  if (m.earlier) li.classList.add("earlier");
  if (m.message_id) li.dataset.message = m.message_id;
  for (const badge of badges(m)) li.append(make("span", "badge", badge));
  if (m.author) li.classList.add("by-" + m.author);
  const text = make("span", "text");
  linked(text, m.kind === "text" && m.author && !m.earlier ? m.text.replace(/^\[[^\]]*\] /, "") : m.text);
  li.append(text);
  if (!m.attachments) for (const [k, v] of pairs(m.params)) li.append(make("span", "param", `${k}: ${v}`));
  for (const f of m.attachments || []) li.append(attachment(f));
  const meta = make("span", "meta", `${who(m)} · ${at}${m.kind === "text" ? ` · ${m.units} units, ${m.bytes} bytes` : ""}`);
  if (m.truncated) meta.append(make("span", "cut", " · cut at 1024 units"));
  if (m.from === "agent" && m.message_id) meta.append(status(m));
  li.append(meta);
  return li;
}

function badges(m) {
  const all = [];
  if (m.kind === "note") all.push("Private note");
  if (m.kind === "event") all.push(m.attachments ? "File" : "Event");
  if (m.kind === "url") all.push("Page");
  if (m.earlier) all.push("Earlier");
  if (m.author) all.push(authors[m.author] || m.author);
  return all;
}

function who(m) {
  if (m.author && m.author !== "customer") return (/^\[(?:agent )([^\]]+)\]/.exec(m.text) || [])[1] || authors[m.author] || m.author;
  return m.name || m.from;
}

function status(m, reason) {
  const s = make("span", "receipt " + (m.status || ""), m.status ? " · " + ticks[m.status] : "");
  if (reason) s.textContent += ": " + reason;
  return s;
}

// receipt shows at an agent's message what became of it.
export function receipt(log, m) {
  const li = log.querySelector(`li.agent[data-message="${CSS.escape(m.message_id)}"]`);
  li?.querySelector(".receipt")?.replaceWith(status(m, m.text));
}

// linked appends text to e, with its addresses as links.
function linked(e, text) {
  for (const part of text.split(/(https?:\/\/[^\s<>"']+)/)) {
    e.append(/^https?:\/\//.test(part) ? link(part, part) : part);
  }
}

function link(address, text) {
  const a = make("a", "", text);
  a.href = address;
  a.target = "_blank";
  a.rel = "noopener noreferrer";
  return a;
}

// attachment shows a picture if it lies here, else a link: nothing is fetched from elsewhere.
function attachment(f) {
  const box = make("span", "param");
  const name = f.name || f.url;
  let address;
  try { address = new URL(f.url, location.href); } catch { /* it is shown as text */ }
  if (!address || !/^https?:$/.test(address.protocol)) {
    box.textContent = name;
    return box;
  }
  const a = link(address.href, (f.caption ? f.caption + ": " : "") + name);
  if (address.origin === location.origin && /\.(png|jpe?g|gif|webp)$/i.test(address.pathname)) {
    const img = make("img");
    img.src = address.href;
    img.alt = f.caption || name;
    a.append(img);
  }
  box.append(a);
  return box;
}
