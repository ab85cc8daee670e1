// Apple's push service on Node's http2: prints its port, and then what each request
// had, with what node:crypto says of the provider token. The second one is answered
// with 410. The argument is a folder with cert.pem, key.pem and apple.pem.
const http2 = require('node:http2');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const read = (name) => fs.readFileSync(path.join(process.argv[2], name));

function verify(authorization) {
  const [head, claims, signature] = authorization.replace(/^bearer /, '').split('.');
  const ok = crypto.verify('sha256', Buffer.from(`${head}.${claims}`),
    { key: read('apple.pem'), dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
  const { alg, kid } = JSON.parse(Buffer.from(head, 'base64url'));
  const known = alg === 'ES256' && kid === 'ABC123DEFG';
  return { verified: ok && known ? 'yes' : 'no', claims: JSON.parse(Buffer.from(claims, 'base64url')) };
}

let count = 0;
const server = http2.createSecureServer({ cert: read('cert.pem'), key: read('key.pem') });
server.on('stream', (stream, headers) => {
  const chunks = [];
  stream.on('data', (chunk) => chunks.push(chunk));
  stream.on('end', () => {
    count += 1;
    console.log(JSON.stringify({
      method: headers[':method'], path: headers[':path'], ...verify(headers.authorization),
      headers: Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('apns-'))),
      body: JSON.parse(Buffer.concat(chunks)),
    }));
    if (count === 1) {
      stream.respond({ ':status': 200, 'apns-id': headers['apns-id'] });
      stream.end();
      return;
    }
    stream.respond({ ':status': 410, 'content-type': 'application/json' });
    stream.end(JSON.stringify({ reason: 'Unregistered', timestamp: Date.now() + 60000 }));
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
