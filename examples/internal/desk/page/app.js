// The agent's page. Texts of customers are only ever set as textContent.
import { $, call, desk } from "./api.js";
import { arrive, leave } from "./compose.js";
import { most, neighbour, showList, tick } from "./list.js";
import { wire } from "./menus.js";
import { showSim } from "./sim.js";
import { clear, showChat } from "./talk.js";

function select(id) {
  leave();
  desk.selected = id;
  clear();
  arrive();
  return refresh();
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
      const list = await call("/agent/chats?most=" + most);
      if (desk.selected) await showSelected();
      showList(list, select);
      await showSim();
    } while (again);
    setLink(true);
  } catch {
    setLink(false);
  } finally {
    busy = false;
  }
}

async function showSelected() {
  try {
    await showChat();
  } catch (err) {
    if (err.status !== 404) throw err;
    desk.selected = ""; // the simulator was restarted
    clear();
  }
}

function setLink(up) {
  $("link").classList.toggle("up", up);
  $("link").textContent = up ? "connected" : "reconnecting";
}

document.addEventListener("keydown", (e) => {
  const step = { ArrowUp: -1, ArrowDown: 1 }[e.key];
  if (!step || !e.altKey) return;
  e.preventDefault();
  const id = neighbour(step);
  if (id) select(id);
});

const own = localStorage.getItem("agent");
if (own) $("agent").value = own;
$("agent").addEventListener("change", () => localStorage.setItem("agent", desk.me()));

wire(select, refresh);
setInterval(tick, 1000);
const changes = new EventSource("/agent/changes");
changes.addEventListener("open", () => setLink(true));
changes.addEventListener("error", () => setLink(false));
changes.addEventListener("change", refresh);
