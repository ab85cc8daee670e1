// A file goes to the gateway in parts, and goes on where it stopped.

async function uploadFile(rest, file, partSize, token, progress) {
  const type = { "content-type": file.type || "application/octet-stream" };
  const part = (from) => file.slice(from, from + partSize, type["content-type"]);
  let upload = null;
  let offset = 0;
  for (let attempt = 0; ; ) {
    try {
      let answer;
      if (upload === null) {
        const query = new URLSearchParams({ name: file.name, bytes: file.size });
        answer = await rest.call("POST", "/media?" + query, { body: part(0), token: token(), headers: type });
      } else {
        const query = new URLSearchParams({ upload, offset });
        answer = await rest.call("PUT", "/media?" + query, { body: part(offset), token: token(), headers: type });
      }
      attempt = 0;
      if (answer.media) return answer.media;
      ({ upload, offset } = answer);
      progress(offset / file.size);
    } catch (err) {
      if (err instanceof Refused && err.status === 404 && upload !== null) {
        upload = null; // the gateway has lost it
        offset = 0;
      } else if (err instanceof Refused && err.status === 409) {
        const answer = await rest.call("GET", "/media?" + new URLSearchParams({ upload }), { token: token() }).catch(() => null);
        if (answer?.media) return answer.media;
        if (answer) offset = answer.offset;
      } else if (final(err)) {
        throw err;
      }
      await pause(backoff(attempt++));
    }
  }
}

