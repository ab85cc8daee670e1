// A client with MQTT.js over WebSocket: mqttjs.cjs URL VERSION USER PASSWORD CLIENTID TOPIC.
// It says "ready", prints each message, publishes one on the topic's mo, and
// ends after the message "bye".
const mqtt = require("mqtt");
const [url, version, username, password, clientId, topic] = process.argv.slice(2);
const client = mqtt.connect(url, {
  username, password, clientId, protocolVersion: Number(version), clean: false, reconnectPeriod: 100,
  ...(version === "5" ? { properties: { sessionExpiryInterval: 3600 } } : {}),
  will: { topic: topic + "/presence", payload: "offline", qos: 1, retain: true },
});
let first = true;
client.on("connect", async () => {
  await client.publishAsync(topic + "/presence", "online", { qos: 1, retain: true });
  const [granted] = await client.subscribeAsync(topic, { qos: 1 });
  if (first && granted.qos !== 1) throw new Error("granted " + granted.qos);
  if (first) await client.publishAsync(topic + "/mo", JSON.stringify({ tid: "c1", message: "Grüezi from MQTT.js" }), { qos: 1 });
  console.log(first ? "ready" : "again");
  first = false;
});
client.on("error", (err) => {
  if (typeof err.code !== "number") return; // a connection that broke: it comes back
  console.log("error " + err.code);
  process.exit(1);
});
client.on("message", (_, payload) => {
  const m = JSON.parse(payload.toString());
  console.log(m.payload_type + " " + (m.message ?? m.tid));
  if (m.message === "bye") client.end(false, {}, () => process.exit(0));
});
