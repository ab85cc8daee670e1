// What the simulator is told beside the agent's work: outages, and what it refused.
import { $, call, make } from "./api.js";

export async function showSim() {
  const [outage, { refused, wrong }] = await Promise.all([call("/sim/outage"), call("/sim/refused")]);
  $("down").hidden = !outage.how;
  $("down-text").textContent = `This contact center is made to be down (${outage.how})` +
    (outage.until ? " until " + new Date(outage.until).toLocaleTimeString() : "") + ".";
  $("n-refused").hidden = wrong === 0;
  $("n-refused").textContent = wrong;
  $("refused").replaceChildren(...refused.slice(-50).reverse().map((c) =>
    make("li", c.late ? "late" : "", `${new Date(c.at).toLocaleTimeString()} ${c.verb}: ${c.status} ${c.what}`)));
  clearTimeout(timer);
  if (outage.until) timer = setTimeout(showSim, Math.max(200, new Date(outage.until) - Date.now() + 100));
}
let timer = 0;

$("outage").addEventListener("submit", async (e) => {
  e.preventDefault();
  await call("/sim/outage", { how: $("outage-how").value, seconds: Number($("outage-seconds").value) });
  $("sim-menu").open = false;
});
$("down-end").addEventListener("click", () => call("/sim/outage", undefined, "DELETE"));
$("refused-clear").addEventListener("click", () => call("/sim/refused", undefined, "DELETE"));
