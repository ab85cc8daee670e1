// Talk is one customer's conversation, without anything to see: it registers
// once and keeps its token, gets messages over MQTT, and sends everything else
// over REST. Whatever was not confirmed is sent again with the same id, so that
// nothing is lost and nothing appears twice. It says "change" when there is
// something new to show.

const maxLog = 200; // messages kept in this browser
const device = "web-" + crypto.getRandomValues(new Uint32Array(2)).join("-");

const isUnread = (m) => !m.mine && !m.event && !m.read;

class Talk extends EventTarget {
  constructor(hook, proof) {
    super();
    this.rest = new Rest(hook);
    this.kept = new Kept("openccsp." + hook + ".");
    this.proof = proof; // { userId, timestamp, signature } or { token } by the page's backend
    this.proven = Boolean(proof.userId || proof.token);
    this.proved = false; // what the page has was heard, so a kept token is as good
    this.me = this.kept.read("me"); // what register answered
    if (this.me && this.proven && this.me.userId !== proof.userId) this.forget();
    if (this.me?.proven && !this.proven) this.me = null; // a page must not go on for whom it does not name
    this.log = []; // { tid, mine, text, …, state: waiting | uploading | sent | failed, got: delivered | read }, { tid, event, name, at }
    this.config = { maxFile: Infinity, part: 512 << 10 };
    this.status = "offline";
    this.problem = "";
    this.agentTypes = false;
    this.session = 0; // counts registrations; work of an earlier one ends
    this.delivered = new Set();
    this.read = new Set();
    this.files = new Map(); // by tid, what waits to be uploaded
    this.looking = () => false;
    this.kept.watch((key) => this.elsewhere(key));
    addEventListener("online", () => this.wake?.());
    addEventListener("offline", () => this.me && this.client?.end(true));
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  keep() {
    if (!this.me) return;
    this.log = this.log.slice(-maxLog);
    this.kept.write("log", { userId: this.me.userId, log: this.log });
  }

  set(name, value) {
    this[name] = value;
    this.changed();
  }

  // ---- registration ----

  // register gets a token, or a fresh one for the same user. The profile travels
  // in the token, and is told again only if the token has become too old, or the
  // page has a JWT, which may say something new.
  async register(data = this.me?.data) {
    const mine = this.session;
    const kept = this.me?.accessToken;
    const known = this.proof.token && !this.proved ? undefined : kept;
    const again = { deviceId: device };
    const anew = { ...again, data };
    let answer;
    try {
      answer = await this.ask(known ? again : anew, known);
    } catch (err) {
      if (!(kept && err instanceof Refused && err.status === 401)) throw err;
      // without the kept token this is a new customer, unless the page proves who it is
      answer = await (known ? this.ask(anew) : this.ask(again, kept));
    }
    this.proved = true;
    if (mine !== this.session) return; // the customer was forgotten meanwhile
    this.me = { ...answer, data, proven: this.proven };
    this.kept.write("me", this.me);
  }

  ask(body, known) {
    const { token, ...signed } = this.proof;
    const bearer = known ?? token;
    const headers = bearer ? { authorization: "Bearer " + bearer } : {};
    return this.rest.call("POST", "/register", { body: { ...body, ...(known || token ? {} : signed) }, headers });
  }

  async begin(data) {
    await this.register(data);
    if (this.me) this.resume();
  }

  // resume goes on with the conversation that this browser knows.
  resume() {
    const kept = this.kept.read("log");
    this.log = kept?.userId === this.me.userId && Array.isArray(kept.log) ? kept.log : [];
    for (const m of this.log) {
      if (m.state === "uploading") Object.assign(m, { state: "failed", why: "", lost: true });
    }
    this.changed();
    this.stayConnected();
  }

  forget() {
    this.session = (this.session ?? 0) + 1;
    this.client?.end(true);
    this.me = null;
    this.log = [];
    this.delivered?.clear();
    this.read?.clear();
    this.files?.clear();
    this.status = "offline";
    this.kept.write("me", null);
    this.kept.write("log", null);
    this.kept.off = false;
    this.changed();
  }

  // elsewhere is for what another tab has kept. If that is another customer, or none any
  // more, this one lasts as long as the page.
  elsewhere(key) {
    if (!this.me) return;
    if (this.kept.read("me")?.userId !== this.me.userId) this.kept.off = true;
    const kept = this.kept.read("log");
    if (key !== "log" || kept?.userId !== this.me.userId || !Array.isArray(kept.log)) return;
    merge(this.log, kept.log, this.files);
    this.changed();
  }

  // ---- connection ----

  // stayConnected connects again and again, with a fresh token each time.
  async stayConnected() {
    const mine = ++this.session;
    for (let attempt = 0; mine === this.session; attempt++) {
      try {
        this.set("status", attempt ? "again" : "connecting");
        await this.register();
        if (mine !== this.session) return;
        this.flush();
        this.report();
        Object.assign(this.config, await this.rest.call("GET", "/config"));
        if (await this.connection(mine)) attempt = 0;
      } catch (err) {
        if (final(err)) this.set("problem", err.message);
      }
      if (mine !== this.session) return;
      this.set("status", "retrying");
      await Promise.race([pause(backoff(attempt)), new Promise((resolve) => (this.wake = resolve))]);
    }
  }

  // term is how long a connection lasts at most: half of its token's life. With a token
  // that has ended the customer would be another one.
  get term() {
    const { iat, exp } = claimsOf(this.me.accessToken);
    return Math.min(500 * (exp - iat), 2 ** 31 - 1); // the longest timer
  }

  // connection lasts until it breaks or has to be renewed, and says whether it was up
  // at all.
  connection(mine) {
    const { path, url, username, topic, clientId } = this.me.broker;
    const address = path ? this.rest.hook.replace(/^http/, "ws") + "/mqtt" : url;
    if (!address) return this.polling(mine);
    return new Promise((resolve) => {
      let up = false;
      const client = mqtt.connect(address, {
        username, password: this.me.accessToken, clientId, clean: true, protocolVersion: 5,
        keepalive: 30, reconnectPeriod: 0, connectTimeout: 10_000, timerVariant: "native",
      });
      this.client = client;
      const renewal = setTimeout(() => client.end(true), this.term);
      client.on("connect", async () => {
        try {
          const granted = await Promise.race([client.subscribeAsync(topic, { qos: 1 }), pause(10_000)]);
          if (!granted) throw new Error("no answer");
          up = true;
          this.problem = "";
          this.set("status", "online");
          if (!path) await this.fetchMissed(mine); // another broker does not know what a client has missed
        } catch {
          client.end(true);
        }
      });
      client.on("message", (_, payload) => mine === this.session && this.receive(new TextDecoder().decode(payload)));
      client.on("error", () => client.end(true));
      client.on("close", () => {
        clearTimeout(renewal);
        client.end(true);
        resolve(up);
      });
    });
  }

  async polling(mine) {
    this.set("status", "online");
    for (const end = Date.now() + this.term; mine === this.session && Date.now() < end; await pause(5000)) {
      await this.fetchMissed(mine);
    }
    return true;
  }

  async fetchMissed(mine) {
    for (let after = ""; mine === this.session; ) {
      const query = after ? "?after=" + encodeURIComponent(after) : "";
      const { messages, state = [] } = await this.rest.call("GET", "/messages" + query, { token: this.me.accessToken });
      [...messages, ...state].forEach((m) => this.take(m));
      if (!messages.length) return;
      after = messages.at(-1).tid;
    }
  }

  receive(payload) {
    try {
      this.take(JSON.parse(payload));
    } catch {
      // it is not for us
    }
  }

  take(m) {
    if (m.payload_type === "typingStart" || m.payload_type === "typingStop") return this.typed(m.payload_type === "typingStart");
    if (m.payload_type === "receipt") return this.receipt(m);
    if (m.payload_type === "event") return this.happened(m);
    if ((m.payload_type !== "message" && m.payload_type !== "form") || typeof m.tid !== "string") return;
    this.typed(false);
    const known = this.log.find((known) => known.tid === m.tid);
    if (!known) {
      const { tid, agentName: name, author, created_on: at, late, media, urlPush, quickReplies, form, formToken, thread } = m;
      const row = { tid, text: String(m.message ?? ""), name, author, at, late, media, urlPush, quickReplies, form, formToken, thread };
      this.log.push(row);
      this.keep();
      this.changed();
    }
    this.delivered.add(m.tid); // again, if the first word of it was lost
    if (known?.read) this.read.add(m.tid);
    this.report();
  }

  // receipt says what became of messages of the customer's. What was read is not
  // only delivered any more.
  receipt({ tids, status }) {
    if (!Array.isArray(tids) || (status !== "delivered" && status !== "read")) return;
    for (const m of this.log) {
      if (m.mine && m.got !== "read" && (tids.includes(m.tid) || tids.includes(m.as))) m.got = status;
    }
    this.keep();
    this.changed();
  }

  // happened shows who has come and gone, once, where it belongs. That somebody has
  // left who was never seen is no news.
  happened({ id, event, params, created_on: at }) {
    const tid = "event:" + id;
    const name = String(params?.name ?? "");
    if ((event !== "agent_joined" && event !== "agent_left") || this.log.some((m) => m.tid === tid)) return;
    if (event === "agent_left" && this.log.findLast((m) => m.event && m.name === name)?.event !== "agent_joined") return;
    insert(this.log, { tid, event, name, at });
    this.keep();
    this.changed();
  }

  // ---- receipts ----

  async report() {
    if (this.reporting) return;
    this.reporting = true;
    for (let attempt = 0; this.me && (this.delivered.size || this.read.size); ) {
      const [set, status] = this.delivered.size ? [this.delivered, 2] : [this.read, 3];
      const tids = [...set].slice(0, 100);
      try {
        await this.rest.call("POST", "/deliveryupdate", { body: { tids, status }, token: this.me.accessToken });
        tids.forEach((tid) => set.delete(tid));
        attempt = 0;
      } catch (err) {
        if (final(err)) tids.forEach((tid) => set.delete(tid));
        else await pause(backoff(attempt++));
      }
    }
    this.reporting = false;
  }

  get unread() {
    return this.log.filter(isUnread).length;
  }

  // seen marks what is there as read, if somebody looks.
  seen() {
    if (!this.me || !this.looking() || this.unread === 0) return;
    for (const m of this.log.filter(isUnread)) {
      m.read = true;
      this.read.add(m.tid);
    }
    this.keep();
    this.changed();
    this.report();
  }

  // ---- sending ----

  newID() {
    return crypto.randomUUID?.() ?? device + "-" + Date.now() + "-" + this.log.length;
  }

  push(m) {
    this.log.push({ tid: this.newID(), mine: true, text: "", at: new Date().toISOString(), state: "waiting", ...m });
    this.keep();
    this.changed();
    this.flush();
    return this.log.at(-1);
  }

  say(text, quickReply) {
    this.typing(false);
    this.push({ text, quickReply });
  }

  // answer sends a filled-in form; text is what the customer sees of it.
  answer(row, values, text) {
    row.answered = true;
    this.push({ text, answer: { formToken: row.formToken, values } });
  }

  async sendFile(file) {
    const m = this.push({ state: "uploading", done: 0, media: [{ name: file.name, mime: file.type, bytes: file.size }] });
    this.files.set(m.tid, file);
    try {
      const media = await uploadFile(this.rest, file, this.config.part, () => this.me.accessToken, (done) => {
        m.done = done;
        this.changed();
      });
      Object.assign(m, { media: [media], state: "waiting" });
    } catch (err) {
      Object.assign(m, { state: "failed", why: err.message });
    }
    this.keep();
    this.changed();
    this.flush();
  }

  // flush sends what waits, one after the other, so that order is kept.
  async flush() {
    if (this.flushing) return;
    this.flushing = true;
    for (let attempt = 0; this.me; ) {
      const m = this.log.find((m) => m.mine && m.state === "waiting");
      if (!m) break;
      try {
        if (m.answer) m.as = (await this.rest.call("POST", "/form", { body: m.answer, token: this.me.accessToken })).tid;
        else await this.rest.call("POST", "/mo", { body: this.wire(m), token: this.me.accessToken });
        m.state = "sent";
        attempt = 0;
      } catch (err) {
        if (final(err)) Object.assign(m, { state: "failed", why: err.message });
        else if (err instanceof Refused && err.status === 401) await this.register().catch(() => pause(backoff(attempt++)));
        else await pause(backoff(attempt++));
      }
      this.keep();
      this.changed();
    }
    this.flushing = false;
  }

  wire({ tid, text, quickReply, media }) {
    return { tid, message: text, ...(quickReply ? { quickReply } : {}), ...(media ? { media: media.map(({ ref }) => ({ ref })) } : {}) };
  }

  // ---- typing, both ways ----

  typing(on) {
    clearTimeout(this.typingOff);
    if (!this.me) return;
    if (on) this.typingOff = setTimeout(() => this.typing(false), 4000);
    if (on ? Date.now() - this.typingSent < 3000 : !this.typingSent) return;
    this.typingSent = on ? Date.now() : 0;
    this.rest.call("POST", "/typing", { body: { on }, token: this.me.accessToken }).catch(() => {}); // it is a courtesy
  }

  typed(on) {
    clearTimeout(this.typedOff);
    if (on) this.typedOff = setTimeout(() => this.typed(false), 6000);
    if (on !== this.agentTypes) this.set("agentTypes", on);
  }
}

