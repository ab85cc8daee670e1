// What the agent writes: text, canned answers, a file, an address, a private note.
import { $, act, call, desk, make, problem, upload, words } from "./api.js";

const drafts = new Map(); // texts by chat
let canned = [];
let typingIn = ""; // the chat whose customer sees the agent typing
let typingTimer = 0;

export function stopTyping() {
  if (!typingIn) return;
  clearTimeout(typingTimer);
  act("typing", { on: false }, typingIn);
  typingIn = "";
}

// leave keeps the draft of the chat that was shown, arrive brings back another's.
export function leave() {
  stopTyping();
  if (desk.selected) drafts.set(desk.selected, $("text").value);
}
export function arrive() {
  $("text").value = drafts.get(desk.selected) || "";
  $("private").checked = false;
  $("form").classList.remove("private");
}

$("text").addEventListener("input", () => {
  if ($("private").checked) return;
  clearTimeout(typingTimer);
  if (!typingIn) {
    typingIn = desk.selected;
    act("typing", { on: true });
  }
  typingTimer = setTimeout(stopTyping, 4000);
});

$("text").addEventListener("keydown", (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
    e.preventDefault();
    $("form").requestSubmit();
  }
});

$("private").addEventListener("change", () => {
  $("form").classList.toggle("private", $("private").checked);
  if ($("private").checked) stopTyping();
});

$("form").addEventListener("submit", async (e) => {
  e.preventDefault();
  const text = $("text").value;
  const address = $("url").value.trim();
  const file = $("file").files[0];
  if (!text.trim() && !address && !file) return;
  stopTyping();
  $("send").disabled = true;
  if (await send(text, address, file)) {
    $("text").value = $("url").value = $("file").value = "";
    drafts.delete(desk.selected);
  }
  $("send").disabled = false;
  $("text").focus();
});

async function send(text, address, file) {
  if ($("private").checked) return act("note", { text });
  if (!file) return address ? act(words.push, { text, url: address }) : act("say", { text });
  let kept;
  try {
    kept = await upload(file);
  } catch (err) {
    problem("Not sent: " + err.message + ".");
    return false;
  }
  const more = words.file ? { [words.file]: kept.name, mime: kept.mime_type, size: kept.size } : {};
  return act(words.push, { text, url: kept.url, ...more });
}

// insert puts a canned answer where the cursor is.
function insert(i) {
  if (!canned[i] || $("form").hidden) return;
  const box = $("text");
  const text = canned[i].replaceAll("{name}", desk.chat?.name || "").replaceAll("{agent}", desk.me());
  box.setRangeText(text, box.selectionStart, box.selectionEnd, "end");
  $("canned-menu").open = false;
  box.focus();
  box.dispatchEvent(new Event("input"));
}

document.addEventListener("keydown", (e) => {
  if (e.altKey && !e.ctrlKey && !e.metaKey && /^Digit[1-9]$/.test(e.code)) {
    e.preventDefault();
    insert(Number(e.code.slice(5)) - 1);
  }
});

async function loadCanned() {
  ({ canned } = await call("/agent/canned"));
  $("canned").replaceChildren(...canned.map((text, i) => {
    const button = make("button", "", text);
    button.type = "button";
    button.dataset.testid = "canned-" + (i + 1);
    button.addEventListener("click", () => insert(i));
    const li = make("li");
    li.append(button);
    return li;
  }));
}
loadCanned().catch(() => problem("The canned answers could not be read."));
