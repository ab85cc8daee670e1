// Buttons and menus: take, hold, transfer, event, close, estimate, start.
import { $, act, call, chatPath, desk, problem, words } from "./api.js";
import { stopTyping } from "./compose.js";

// wire has the buttons work; select shows a chat, refresh all of them anew.
export function wire(select, refresh) {
  for (const b of document.querySelectorAll("[data-act]")) {
    b.addEventListener("click", async () => {
      stopTyping();
      const takes = b.dataset.act === words.take || b.dataset.act === "reopen";
      const done = await act(b.dataset.act, takes ? { agent: desk.me() } : JSON.parse(b.dataset.args || "{}"));
      if (done && takes) {
        await refresh();
        $("text").focus();
      }
    });
  }
  submit("transfer", (form) => {
    const to = $("transfer-to").value.trim();
    if ($("transfer-kind").value === "agent") return to ? { to } : "the agent's name is missing";
    if (!to) return {};
    if (form.dataset.number && !/^\d+$/.test(to)) return `"${to}" is no number`;
    return { [form.dataset.arg]: form.dataset.number ? Number(to) : to };
  });
  submit("event", () => ({ name: $("event-name").value.trim(), params: readParams($("event-params").value) }));
  submit("close", () => ({ ...JSON.parse($("close-reason").value), disposition: $("close-disposition").value.trim() }));
  submit("estimate", () => ({ minutes: Number($("estimate-minutes").value), about: Number($("estimate-about").value) }));
  $("start")?.addEventListener("submit", async (e) => {
    e.preventDefault();
    try {
      const { chat } = await call(chatPath($("start-address").value.trim(), "start"),
        { agent: desk.me(), asset: $("start-asset").value.trim() });
      e.target.reset();
      $("start-menu").open = false;
      select(chat.id);
    } catch (err) {
      problem("Not started: " + err.message + ".");
    }
  });
}

// submit does the act that a form is named after; args returns what it needs, or a problem.
function submit(id, args) {
  $(id)?.addEventListener("submit", async (e) => {
    e.preventDefault();
    stopTyping();
    const a = args(e.target);
    if (typeof a === "string") return problem("Not done: " + a + ".");
    if (await act(id, a)) {
      e.target.reset();
      e.target.closest("details").open = false;
    }
  });
}

function readParams(text) {
  const params = {};
  for (const line of text.split("\n")) {
    const at = line.indexOf("=");
    if (at > 0) params[line.slice(0, at).trim()] = line.slice(at + 1).trim();
  }
  return params;
}

// One menu is open at a time; Escape and a click elsewhere close it.
document.addEventListener("click", (e) => {
  for (const d of document.querySelectorAll("details.menu[open]")) if (!d.contains(e.target)) d.open = false;
});
document.addEventListener("keydown", (e) => {
  if (e.key !== "Escape") return;
  for (const d of document.querySelectorAll("details.menu[open]")) {
    d.open = false;
    d.querySelector("summary").focus();
  }
});
