// Checks what is on standard input, a JSON array, with Twilio's own library, and
// writes what it says: of requests, whether it takes their signature, and the one
// it would make itself.
const { validateRequest, validateRequestWithBody, getExpectedTwilioSignature, twiml } = require("twilio");

let text = "";
process.stdin.on("data", (d) => (text += d)).on("end", () => {
  const answers = JSON.parse(text).map((q) => {
    if (q.say) {
      const r = new twiml.VoiceResponse();
      const g = r.gather({ input: "dtmf", numDigits: 1, timeout: 5, action: q.action, method: "POST" });
      g.say({ voice: "alice", language: "de-DE" }, q.say);
      g.play(q.play);
      r.pause({ length: 1 });
      r.hangup();
      return { twiml: r.toString() };
    }
    if (q.body !== undefined && q.body !== null) {
      return { valid: validateRequestWithBody(q.token, q.signature, q.url, q.body), signature: getExpectedTwilioSignature(q.token, q.url, {}) };
    }
    return { valid: validateRequest(q.token, q.signature, q.url, q.params), signature: getExpectedTwilioSignature(q.token, q.url, q.params) };
  });
  process.stdout.write(JSON.stringify(answers));
});
