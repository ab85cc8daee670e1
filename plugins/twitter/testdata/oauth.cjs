// Signs requests with the package oauth-1.0a: reads a JSON list from standard
// input, and writes the list of the Authorization headers' signatures.
const OAuth = require("oauth-1.0a");
const crypto = require("crypto");

const requests = JSON.parse(require("fs").readFileSync(0, "utf8"));
const signatures = requests.map((r) => {
  const oauth = OAuth({
    consumer: { key: r.consumerKey, secret: r.consumerSecret },
    signature_method: "HMAC-SHA1",
    hash_function: (base, key) => crypto.createHmac("sha1", key).update(base).digest("base64"),
  });
  oauth.getNonce = () => r.nonce;
  oauth.getTimeStamp = () => r.timestamp;
  return oauth.authorize({ url: r.url, method: r.method, data: r.form }, { key: r.token, secret: r.tokenSecret }).oauth_signature;
});
process.stdout.write(JSON.stringify(signatures));
