// What WeCom's own package makes of our bytes, and we of its: reads one JSON
// object, writes one.
const crypto = require('@wecom/crypto');
const q = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const opened = q.encrypted.map((text) => crypto.decrypt(q.key, text));
const sealed = q.messages.map((m) => {
  const encrypt = crypto.encrypt(q.key, m, q.app);
  return { encrypt, signature: crypto.getSignature(q.token, q.timestamp, q.nonce, encrypt) };
});
console.log(JSON.stringify({ opened: opened.map((o) => ({ message: o.message, id: o.id })), sealed }));
