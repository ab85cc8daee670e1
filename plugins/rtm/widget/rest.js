// Calls to the channel's hook, and what to do when they fail.

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const backoff = (attempt) => Math.min(30_000, 500 * 2 ** Math.min(attempt, 6)) * (0.5 + Math.random() / 2);

class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

// final says that trying again would not help.
const final = (err) => err instanceof Refused && err.status >= 400 && err.status < 500 && ![401, 408, 425, 429].includes(err.status);

// claimsOf is what a JWT says, which the gateway checks.
function claimsOf(jwt) {
  try {
    return JSON.parse(atob(jwt.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
  } catch {
    return {};
  }
}

class Rest {
  constructor(hook) {
    this.hook = hook;
  }

  // call sends an object as JSON, anything else as it is.
  async call(method, path, { body, token, headers = {} } = {}) {
    const plain = body === undefined || body instanceof Blob;
    const response = await fetch(this.hook + path, {
      method,
      headers: { ...(plain ? {} : { "content-type": "application/json" }), ...(token ? { accesstoken: token } : {}), ...headers },
      body: plain ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
    if (response.ok) return response.json(); // half an answer is none
    const answer = await response.json().catch(() => ({}));
    throw new Refused(response.status, answer.error?.code, answer.error?.message ?? "the server answered " + response.status);
  }
}
