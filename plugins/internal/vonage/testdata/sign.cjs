// Signs the body on standard input with a JWT library that others wrote.
const { createHash } = require("crypto");
const jwt = require("jsonwebtoken");

let body = "";
process.stdin.on("data", (d) => (body += d)).on("end", () => {
  const claims = { iat: Number(process.argv[3]), jti: "j2", iss: "Vonage", payload_hash: createHash("sha256").update(body).digest("hex"), api_key: "abcd1234" };
  process.stdout.write(jwt.sign(claims, process.argv[2], { algorithm: "HS256" }));
});
