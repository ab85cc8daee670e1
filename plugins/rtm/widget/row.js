// What one message looks like. Whatever people write is text, never markup.

function make(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

// link shows an address as a link only if it leads to the web.
function link(href, text, base) {
  const a = make("a", "", text || href);
  let url = null;
  try {
    url = new URL(href, base);
  } catch {
    return a;
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") return a;
  a.href = url.href;
  a.target = "_blank";
  a.rel = "noopener noreferrer";
  return a;
}

function size(bytes) {
  if (bytes >= 1 << 20) return (bytes / (1 << 20)).toFixed(1) + " MB";
  return Math.ceil(bytes / 1024) + " kB";
}

function noteOf(m, say) {
  const at = new Date(m.at);
  const time = isNaN(at) ? "" : at.toLocaleTimeString(say.lang, { hour: "2-digit", minute: "2-digit" });
  if (m.mine) {
    switch (m.state) {
      case "uploading": return say("uploading", { percent: Math.floor((m.done ?? 0) * 100) });
      case "waiting": return say("sending");
      case "failed": return say("failed", { why: m.lost ? say("lostFile") : m.why });
    }
    return [say(m.got ?? "sent"), time].filter(Boolean).join(", ");
  }
  return [whoOf(m, say), time, m.late ? say("late") : "", m.answered ? say("answered") : ""].filter(Boolean).join(", ");
}

function whoOf(m, say) {
  return m.name || { bot: say("bot"), rule: say("automatic"), system: say("automatic") }[m.author] || say("agent");
}

// noteLine is the line below a message. Ticks say the same as the words beside them,
// so they are not read aloud; nor is each step of a message, but that it failed is.
function noteLine(m, say) {
  const p = make("p", "note", noteOf(m, say));
  if (!m.mine) return p;
  p.setAttribute("aria-live", m.state === "failed" ? "polite" : "off");
  if (m.state !== "sent") return p;
  const tick = make("span", "tick", m.got ? "✓✓" : "✓");
  tick.setAttribute("aria-hidden", "true");
  p.prepend(tick, " ");
  return p;
}

const classOf = (m) => (m.mine ? ["mine", m.state, m.got].filter(Boolean).join(" ") : "theirs");

// renote changes what stands below one of the customer's own messages.
function renote(li, m, say) {
  li.className = classOf(m);
  li.lastChild.replaceWith(noteLine(m, say));
}

function rowOf(m, say, hook, onAnswer) {
  const li = make("li", m.event ? "event" : classOf(m));
  if (m.event) {
    li.append(make("p", "note", say(m.event === "agent_joined" ? "joined" : "left", { name: m.name || say("agent") })));
    return li;
  }
  const bubble = make("div", "bubble");
  const text = String(m.text ?? "");
  const at = m.urlPush ? text.indexOf(m.urlPush) : -1;
  if (m.form && !m.mine) bubble.append(formOf(m, say, onAnswer));
  else if (at < 0) bubble.append(text);
  else bubble.append(text.slice(0, at), link(m.urlPush, m.urlPush, hook), text.slice(at + m.urlPush.length));
  if (m.urlPush && at < 0) bubble.append(make("br"), link(m.urlPush, m.urlPush, hook));
  for (const f of Array.isArray(m.media) ? m.media : []) bubble.append(fileOf(f, say, hook));
  li.append(bubble, noteLine(m, say));
  return li;
}

function fileOf(f, say, hook) {
  const p = make("p", "file");
  const name = f.name || f.caption || say("file");
  p.append("📎 ", f.url ? link(f.url, name, hook) : name);
  if (f.bytes) p.append(" (" + size(f.bytes) + ")");
  return p;
}

