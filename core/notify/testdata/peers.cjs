// Verifies requests as the receivers' own libraries do: standardwebhooks checks
// the signatures, cloudevents reads the events.
const fs = require("fs");
const { Webhook } = require("standardwebhooks");
const { HTTP } = require("cloudevents");

const [, , file, secret] = process.argv;
const requests = JSON.parse(fs.readFileSync(file, "utf8"));
const hook = new Webhook(secret);
const lower = (headers) => Object.fromEntries(Object.entries(headers).map(([k, v]) => [k.toLowerCase(), v]));

for (const format of ["standard", "cloudevents", "cloudevents_binary"]) {
  const { headers, body } = requests[format];
  const verified = hook.verify(body, lower(headers));
  const event = format === "standard" ? verified : HTTP.toEvent({ headers: lower(headers), body });
  if (format !== "standard") event.validate();
  console.log(format, event.type, event.data.chatid);
}
try {
  hook.verify(requests.standard.body + " ", lower(requests.standard.headers));
  console.log("forged accepted");
} catch {
  console.log("forged refused");
}
