// The gateway's side of a plugin in Node: handshake, control calls, and the
// data stream. A plugin says serve({ id, version, drivers }) and no more;
// plugin.proto has what goes over the wire. A plugin that owns a port or a
// session of which there is one says exclusive: true.
//
// A driver is { kind, name, capabilities, settings, instance }: settings is a
// JSON Schema, instance a class. new instance(settings, host) makes one; its
// methods are send, open, close and those in `abilities`. Each takes what
// plugin.proto calls Call, Poll or WebhookRequest, and an AbortSignal; each
// returns fields of Result, PollAnswer or WebhookAnswer.
import { existsSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import grpc from '@grpc/grpc-js'
import loader from '@grpc/proto-loader'

const cookie = { name: 'OPENCCSP_PLUGIN', value: 'b1a7f0c25e0e4d0b9a2f5d9e6c3a8471' }
const maxFrames = 64, maxBatch = 256 << 10, maxMessage = 4 << 20, maxFrame = 3 << 20, maxInFlight = 2048

// abilities by the methods that have them.
const abilities = {
  webhook: 'webhook', pollChat: 'poll_chat', pollAccount: 'poll_account', listen: 'listen',
  typing: { CHANNEL: 'typing_to_customer', CONNECTOR: 'typing_to_chat' },
  receipt: 'receipt', transfer: 'transfer', hold: 'hold', reopen: 'reopen', update: 'update',
  sendEvent: 'send_event', call: 'call', register: 'register'
}

// methods by the operation of a Call.
const methods = {
  SEND: 'send', OPEN: 'open', CLOSE: 'close', TYPING: 'typing', RECEIPT: 'receipt', TRANSFER: 'transfer',
  HOLD: 'hold', REOPEN: 'reopen', UPDATE: 'update', EVENT: 'sendEvent', CALL_OUT: 'call', REGISTER: 'register'
}

// ---- what drivers use ----

// Outcome is an error that says what the gateway does next; plugin.proto has
// the outcomes.
export class Outcome extends Error {
  constructor (outcome, message, { code = '', after = 0 } = {}) {
    super(message)
    Object.assign(this, { outcome, code, after })
  }
}

// retry: nothing happened, again later. after is in milliseconds.
export const retry = (message, after = 0) => new Outcome('RETRY', message, { after })
// throttled is retry, and the whole instance slows down.
export const throttled = (message, after = 0) => new Outcome('THROTTLED', message, { after })
// ambiguous: bytes went out and no answer came.
export const ambiguous = message => new Outcome('AMBIGUOUS', message)
// rejected is final: the far side's code and words.
export const rejected = (code, message) => new Outcome('REJECTED', message, { code })

// log writes one line to the gateway's log. Never texts, tokens or addresses.
export function log (level, message, fields = {}) {
  const line = { '@timestamp': new Date().toISOString(), '@level': level, '@message': message, ...fields }
  process.stderr.write(JSON.stringify(line).slice(0, 48 << 10) + '\n')
}

// ---- the process ----

// serve runs the plugin until the gateway ends it.
export function serve (plugin) {
  if (process.argv.includes('--describe')) {
    console.log(JSON.stringify(camel(manifest(plugin)), null, 2))
    return
  }
  if (process.env[cookie.name] !== cookie.value) {
    console.error(`${plugin.id} ${plugin.version} is a plugin of the OpenCCSP gateway, which starts it: ` +
      'put its folder into a folder of plugin_dirs. --describe prints what it offers.')
    process.exitCode = 1
    return
  }
  new Process(plugin).start()
}

class Process {
  constructor (plugin) {
    this.plugin = plugin
    this.control = new Control(plugin)
    this.path = join(process.env.PLUGIN_UNIX_SOCKET_DIR || tmpdir(), `plugin-${process.pid}.sock`)
    this.server = new grpc.Server({
      'grpc.max_receive_message_length': maxMessage, 'grpc.max_send_message_length': maxMessage
    })
  }

  start () {
    const file = join(dirname(fileURLToPath(import.meta.url)), 'plugin.proto')
    const proto = grpc.loadPackageDefinition(loader.loadSync(file, {
      keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true
    })).gateway.plugin.v1
    this.server.addService(proto.Plugin.service, this.control.handlers())
    this.server.addService(proto.Link.service, {
      Exchange: stream => this.control.exchange(stream),
      Socket: stream => stream.emit('error', { code: grpc.status.UNIMPLEMENTED })
    })
    this.server.addService(goPlugin, {
      Check: (_, done) => done(null, Buffer.from([8, 1])), // SERVING
      Shutdown: (_, done) => { done(null, Buffer.alloc(0)); setImmediate(() => this.exit(0)) }
    })
    this.server.bindAsync('unix:' + this.path, grpc.ServerCredentials.createInsecure(), err => {
      if (err) {
        log('error', 'plugin cannot listen', { err: err.message })
        return this.exit(1)
      }
      process.stdout.write(`1|1|unix|${this.path}|grpc\n`)
    })
    this.watch()
  }

  // watch ends the process with the gateway, which holds the other end of
  // standard input, and drains at SIGTERM. An interrupt is for the gateway.
  watch () {
    for (const event of ['end', 'close', 'error']) process.stdin.on(event, () => this.exit(0))
    process.stdin.resume()
    for (const out of [process.stdout, process.stderr]) out.on('error', () => {}) // nobody reads
    process.on('SIGINT', () => {})
    process.once('SIGTERM', async () => {
      process.once('SIGTERM', () => this.exit(1))
      await this.control.drain(10_000, true)
      await this.control.link?.end()
      this.exit(0)
    })
    process.on('unhandledRejection', err => log('error', 'driver failed', { err: String(err?.stack ?? err) }))
  }

  exit (code) {
    this.server.forceShutdown()
    if (existsSync(this.path)) unlinkSync(this.path)
    process.exit(code)
  }
}

// goPlugin is what hashicorp/go-plugin asks of every plugin; the messages are
// so small that they are written by hand.
const raw = { requestStream: false, responseStream: false }
for (const f of ['requestSerialize', 'requestDeserialize', 'responseSerialize', 'responseDeserialize']) raw[f] = b => b
const goPlugin = {
  Check: { path: '/grpc.health.v1.Health/Check', ...raw },
  Shutdown: { path: '/plugin.GRPCController/Shutdown', ...raw }
}

function manifest (p) {
  return {
    plugin_id: p.id, version: p.version,
    sdk_name: 'scaffold', sdk_version: '1.0.0', sdk_language: 'node',
    state_schema: 1, min_state_schema: 1, max_in_flight: maxInFlight,
    handover: p.exclusive ? 'EXCLUSIVE' : 'PARALLEL',
    drivers: p.drivers.map(d => ({
      kind: d.kind, name: d.name, settings_schema: JSON.stringify(d.settings), capabilities: d.capabilities,
      abilities: Object.entries(abilities).filter(([m]) => typeof d.instance.prototype[m] === 'function')
        .map(([, name]) => name[d.kind] ?? name).sort()
    }))
  }
}

const camel = v => Array.isArray(v) ? v.map(camel)
  : v === null || typeof v !== 'object' ? v
    : Object.fromEntries(Object.entries(v).map(([k, x]) => [k.replace(/_(.)/g, (_, c) => c.toUpperCase()), camel(x)]))

// ---- control calls ----

class Control {
  constructor (plugin) {
    this.plugin = plugin
    this.instances = new Map() // by name
    this.draining = false
    this.turns = new Turns()
    this.linked = new Promise(resolve => { this.attach = resolve })
  }

  handlers () {
    const unary = f => (call, done) => {
      Promise.resolve().then(() => f(call.request)).then(
        answer => done(null, answer), err => done({ code: err.grpc ?? grpc.status.INTERNAL, details: err.message }))
    }
    return {
      Describe: unary(() => manifest(this.plugin)),
      Validate: unary(r => ({ problems: this.decode(r).problems })),
      OpenInstance: unary(r => this.turns.run(r.instance, () => this.openInstance(r))),
      CloseInstance: unary(r => this.turns.run(r.instance, () => this.closeInstance(r.instance))),
      Activate: unary(r => this.activate(r.instances)),
      Deactivate: unary(r => this.deactivate(r.instances)),
      Drain: unary(async r => ({ unanswered: await this.drain(r.deadline_ms || 30_000, r.release_exclusive) })),
      CheckHealth: unary(() => ({
        serving: true, instances: [...this.instances.values()].map(i => ({ instance: i.name, ok: !i.trouble, message: i.trouble }))
      }))
    }
  }

  decode (r) {
    const driver = this.plugin.drivers.find(d => d.name === r.driver)
    if (!driver) throw Object.assign(new Error(`no driver ${r.driver}`), { grpc: grpc.status.NOT_FOUND })
    let settings = {}
    try {
      if (r.settings.length) settings = JSON.parse(r.settings.toString())
      if (settings === null || typeof settings !== 'object' || Array.isArray(settings)) throw new Error()
    } catch {
      return { driver, problems: [{ pointer: '', message: 'settings are not a JSON object' }] }
    }
    for (const [name, value] of Object.entries(r.secrets)) settings[name] = value.toString()
    return { driver, settings, problems: check(driver.settings, settings, '') }
  }

  // openInstance makes an instance; the same revision again is a no-op.
  async openInstance (spec) {
    const old = this.instances.get(spec.instance)
    if (old && old.revision === spec.revision && old.driver.name === spec.driver) return { ok: true }
    const { driver, settings, problems } = this.decode(spec)
    if (problems.length) return { ok: false, message: problems[0].message, problems }
    const instance = new Instance(this, driver, spec)
    try {
      instance.value = new driver.instance(settings, instance.host())
      await instance.value.start?.()
    } catch (err) {
      const { outcome, detail } = failure(err)
      return { ok: false, message: detail, retry: ['RETRY', 'THROTTLED', 'AMBIGUOUS', 'AUTH_REFRESH'].includes(outcome) }
    }
    await old?.stopListening()
    this.instances.set(spec.instance, instance)
    if (old?.active) instance.listen()
    old?.end()
    return { ok: true }
  }

  async closeInstance (name) {
    const instance = this.instances.get(name)
    this.instances.delete(name)
    await instance?.stopListening()
    await instance?.end()
    return {}
  }

  activate (names) {
    this.draining = false
    for (const name of names) {
      const instance = this.instances.get(name)
      if (!instance) throw Object.assign(new Error(`no instance ${name}`), { grpc: grpc.status.NOT_FOUND })
      instance.listen()
    }
    return {}
  }

  async deactivate (names) {
    for (const name of names) await this.instances.get(name)?.stopListening()
    return {}
  }

  // drain stops receiving and waits for what is in hand. It returns how many
  // calls are unanswered after limit.
  async drain (limit, release) {
    this.draining = true
    const end = Date.now() + limit
    await Promise.race([Promise.all([...this.instances.values()].map(i => i.stopListening())), sleep(limit)])
    while (this.link?.inHand > 0 && Date.now() < end) await sleep(5)
    if (release && !this.link?.inHand) await Promise.race([Promise.all([...this.instances.values()].map(i => i.value.release?.())), sleep(5000)])
    return this.link?.inHand ?? 0
  }

  exchange (stream) {
    this.link?.lost()
    this.link = new Link(this, stream)
    this.attach()
  }
}

// check returns what does not fit a flat JSON Schema, and puts in defaults.
function check (schema, settings) {
  const known = schema.properties ?? {}
  const problems = Object.keys(settings).filter(name => !(name in known))
    .map(name => ({ pointer: '/' + name, message: `unknown setting "${name}"; known are ${Object.keys(known).join(', ')}` }))
  for (const [name, s] of Object.entries(known)) {
    if (settings[name] === undefined && s.default !== undefined) settings[name] = s.default
    const v = settings[name]
    const type = Array.isArray(v) ? 'array' : v === null ? 'null' : typeof v
    if (v === undefined) {
      if (schema.required?.includes(name)) problems.push({ pointer: '/' + name, message: `setting "${name}" is missing` })
    } else if (s.type && s.type !== type && !(s.type === 'integer' && Number.isInteger(v))) {
      problems.push({ pointer: '/' + name, message: `setting "${name}" is a ${type}; want ${s.type}` })
    } else if (s.enum && !s.enum.includes(v)) {
      problems.push({ pointer: '/' + name, message: `setting "${name}" is none of ${s.enum.join(', ')}` })
    } else if (s.format === 'uri' && !URL.canParse(v)) {
      problems.push({ pointer: '/' + name, message: `setting "${name}" is not a URL` })
    }
  }
  return problems
}

// ---- instances ----

class Instance {
  constructor (control, driver, spec) {
    Object.assign(this, { control, driver, name: spec.instance, revision: spec.revision, spec })
    this.calls = new Set() // under way
    this.active = false
    this.trouble = ''
  }

  // host is what the gateway does for a driver.
  host () {
    const ask = async body => {
      await this.control.linked
      const { reply } = await this.control.link.ask({ instance: this.name, ...body })
      if (!reply.ok) throw reply.conflict ? rejected('conflict', 'the state has changed') : retry(reply.message)
      return reply
    }
    return {
      instance: this.name, publicURL: this.spec.public_url, dataDir: this.spec.data_dir,
      log: (level, message, fields) => log(level, message, { instance: this.name, ...fields }),
      // state returns a Buffer, empty if there is none under key.
      state: async key => (await ask({ call: { state_get: { key } } })).value,
      // setState replaces old, durably; a conflict if the value is another.
      setState: async (key, old, value) => { await ask({ call: { state_set: { key, old, new: value } } }) },
      saveSecret: async (name, value) => { await ask({ call: { save_secret: { name, value: Buffer.from(value) } } }) }
    }
  }

  // run counts a call, so that end can wait for it.
  async run (f) {
    const call = f()
    this.calls.add(call)
    try { return await call } finally { this.calls.delete(call) }
  }

  listen () {
    if (this.active) return
    this.active = true
    this.stop = new AbortController()
    this.listening = this.value.listen ? this.listenOn(this.stop.signal) : Promise.resolve()
  }

  async listenOn (signal) {
    for (let pause = 100; !signal.aborted; pause = Math.min(2 * pause, 30_000)) {
      try {
        await this.value.listen(signal, events => this.emit(events, signal))
      } catch (err) {
        if (signal.aborted) return
        this.trouble = failure(err).detail
        log('warn', 'listener ended', { instance: this.name, err: this.trouble })
      }
      await sleep(pause, signal)
      this.trouble = ''
    }
  }

  // emit returns once the events are durable.
  async emit (events, signal) {
    for (let pause = 100; ; pause = Math.min(2 * pause, 5000)) {
      await this.control.linked
      const link = this.control.link
      try {
        await link.credit()
        const { ack } = await link.ask({ instance: this.name, inbound: { events } })
        if (ack.ok) return
        if (ack.final) throw rejected('event', ack.message)
        await sleep(ack.after_ms || pause, signal)
      } catch (err) {
        if (err !== lostLink) throw err
        await sleep(pause, signal)
      }
      if (signal.aborted) throw retry('the instance stops receiving')
    }
  }

  async stopListening () {
    this.active = false
    this.stop?.abort()
    await this.listening
  }

  // end waits for the calls under way.
  async end () {
    await Promise.allSettled([...this.calls])
    await this.value.end?.()
  }
}

// ---- the data stream ----

const lostLink = new Error('connection to the gateway lost')

class Link {
  constructor (control, stream) {
    Object.assign(this, { control, stream, inHand: 0, seq: 0, credits: 0, out: [] })
    this.open = new Map() // AbortControllers of calls, by the gateway's seq
    this.asked = new Map() // by our seq
    this.waiting = [] // for credits
    this.conversations = new Turns()
    stream.on('data', batch => this.read(batch))
    stream.on('end', () => this.end())
    for (const event of ['cancelled', 'error', 'close']) stream.on(event, () => this.lost())
  }

  read (batch) {
    this.credits += batch.credits
    while (this.credits > 0 && this.waiting.length) { this.credits--; this.waiting.shift().resolve() }
    if (batch.ping) { this.pong = batch.ping; this.flushSoon() }
    for (const f of batch.frames) {
      if (f.body === 'reply' || f.body === 'ack') {
        this.asked.get(f[f.body].seq)?.resolve(f)
        this.asked.delete(f[f.body].seq)
      } else if (f.body === 'cancel') this.open.get(f.cancel.seq)?.abort()
      else if (['call', 'webhook', 'poll'].includes(f.body) && !this.open.has(f.seq)) this.accept(f)
    }
  }

  // accept runs a frame; those of one conversation one after the other.
  accept (f) {
    this.inHand++
    if (this.open.size >= maxInFlight) return this.answer(f, refusal(f, 'busy'))
    const abort = new AbortController()
    const timer = setTimeout(() => abort.abort(), f.deadline_ms || 30_000)
    this.open.set(f.seq, abort)
    const { draining } = this.control // a refusal, too, waits for its turn
    const run = async () => {
      const body = draining ? refusal(f, 'draining') : await this.run(f, abort.signal)
      clearTimeout(timer)
      this.open.delete(f.seq)
      this.answer(f, body)
    }
    const ordered = f.body === 'call' && f.conversation.length > 0
    ordered ? this.conversations.run(f.instance + f.conversation.toString('hex'), run) : run()
  }

  async run (f, signal) {
    const instance = this.control.instances.get(f.instance)
    if (signal.aborted) return refusal(f, 'late')
    if (!instance) return refusal(f, 'no_instance')
    return instance.run(() => handlers[f.body](instance.value, f[f.body], signal))
  }

  answer (f, body) { this.send({ reply_to: f.seq, instance: f.instance, ...body }) }

  // ask sends a frame and waits for what answers it.
  ask (frame) {
    return new Promise((resolve, reject) => {
      if (this.over) return reject(lostLink)
      frame.seq = ++this.seq
      this.asked.set(frame.seq, { resolve, reject })
      this.send(frame)
    })
  }

  // credit waits until one more frame of events may go.
  credit () {
    if (this.over) return Promise.reject(lostLink)
    if (this.credits > 0) { this.credits--; return Promise.resolve() }
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }))
  }

  send (frame) {
    frame = wellFormed(frame)
    let size = JSON.stringify(frame).length
    if (size > maxFrame && frame.reply_to) {
      const body = Object.keys(frame).find(k => k in tooLarge)
      frame = { reply_to: frame.reply_to, instance: frame.instance, ...tooLarge[body] }
      size = 200
    }
    this.out.push({ frame, size })
    this.flushSoon()
  }

  flushSoon () {
    if (this.flushing || this.over) return
    this.flushing = true
    setImmediate(async () => {
      while ((this.out.length || this.pong) && !this.over) await this.flush()
      this.flushing = false
    })
  }

  async flush () {
    const batch = { frames: [], pong: this.pong ?? 0 }
    this.pong = 0
    for (let size = 0; this.out.length && batch.frames.length < maxFrames && size < maxBatch;) {
      const next = this.out.shift()
      batch.frames.push(next.frame)
      size += next.size
    }
    if (!this.stream.write(batch)) await new Promise(resolve => { this.writable = resolve; this.stream.once('drain', resolve) })
    this.inHand -= batch.frames.filter(f => f.reply_to).length
  }

  // end answers what is in hand and closes the stream.
  async end () {
    while (!this.over && (this.inHand > 0 || this.out.length)) await sleep(5)
    this.lost()
    this.stream.end()
  }

  // lost gives up what waits for the gateway.
  lost () {
    if (this.over) return
    this.over = true
    this.inHand = 0
    this.writable?.()
    for (const abort of this.open.values()) abort.abort()
    for (const w of [...this.asked.values(), ...this.waiting]) w.reject(lostLink)
    if (this.control.link === this) this.control.linked = new Promise(resolve => { this.control.attach = resolve })
  }
}

// handlers run the frames of the gateway and return the body of the answer.
const handlers = {
  async call (value, call, signal) {
    const method = methods[call.op]
    if (typeof value[method] !== 'function') return { result: { outcome: 'UNSUPPORTED' } }
    try {
      const { message_id, chat_ref, delivered } = await value[method](call, signal) ?? {}
      if ((call.op === 'OPEN' || call.op === 'REOPEN') && !chat_ref) throw rejected('no_chat_ref', 'the driver named no chat_ref')
      return { result: { outcome: 'OK', message_id, chat_ref, delivered } }
    } catch (err) {
      return { result: failure(err) }
    }
  },

  async poll (value, poll, signal) {
    const method = poll.chat ? 'pollChat' : 'pollAccount'
    if (typeof value[method] !== 'function') return { poll: { result: { outcome: 'UNSUPPORTED' } } }
    try {
      return { poll: { result: { outcome: 'OK' }, ...await value[method](poll, signal) } }
    } catch (err) {
      return { poll: { result: failure(err) } }
    }
  },

  async webhook (value, request, signal) {
    if (typeof value.webhook !== 'function') return { webhook: { status: 404 } }
    try {
      return { webhook: { status: 200, ...await value.webhook(request, signal) } }
    } catch (err) {
      const { outcome, detail } = failure(err)
      const later = ['RETRY', 'THROTTLED', 'AUTH_CONFIG', 'AUTH_REFRESH'].includes(outcome)
      return { webhook: { status: later ? 503 : outcome === 'UNSUPPORTED' ? 404 : 500, detail } }
    }
  }
}

function refusal (f, code) {
  const result = { outcome: 'RETRY', code }
  return { call: { result }, poll: { poll: { result } }, webhook: { webhook: { status: 503, detail: code } } }[f.body]
}

const tooLarge = {
  poll: { poll: { result: { outcome: 'REJECTED', code: 'too_large' } } },
  webhook: { webhook: { status: 500, detail: 'the answer is too large' } },
  result: { result: { outcome: 'REJECTED', code: 'too_large' } }
}

// failure makes a Result of what a driver threw. What fetch throws is told
// apart: not connected is a retry, connected and no answer ambiguous.
function failure (err) {
  const detail = String(err?.message ?? err).slice(0, 1000)
  const cause = err?.cause?.code ?? ''
  if (err instanceof Outcome) return { outcome: err.outcome, code: err.code, after_ms: err.after, detail }
  if (['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'].includes(cause)) {
    return { outcome: 'RETRY', code: 'unreachable', detail }
  }
  if (['AbortError', 'TimeoutError'].includes(err?.name)) return { outcome: 'AMBIGUOUS', code: 'deadline', detail }
  if (cause || err?.message === 'fetch failed') return { outcome: 'AMBIGUOUS', code: 'connection_lost', detail }
  log('error', 'driver failed', { err: String(err?.stack ?? err) })
  const bug = [TypeError, ReferenceError, RangeError, SyntaxError].some(t => err instanceof t)
  return bug ? { outcome: 'AMBIGUOUS', code: 'panic', detail } : { outcome: 'REJECTED', code: 'error', detail }
}

// wellFormed replaces halves of characters, which the wire does not take.
function wellFormed (v) {
  if (typeof v === 'string') return v.toWellFormed?.() ?? Buffer.from(v).toString() // Node 18 has none
  if (v === null || typeof v !== 'object' || Buffer.isBuffer(v)) return v
  if (Array.isArray(v)) return v.map(wellFormed)
  return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, wellFormed(x)]))
}

// Turns runs what has one key one after the other.
class Turns {
  constructor () { this.last = new Map() }

  run (key, f) {
    const turn = (this.last.get(key) ?? Promise.resolve()).then(f, f)
    this.last.set(key, turn)
    const done = () => { if (this.last.get(key) === turn) this.last.delete(key) }
    turn.then(done, done)
    return turn
  }
}

const sleep = (ms, signal) => new Promise(resolve => {
  const timer = setTimeout(resolve, ms)
  signal?.addEventListener('abort', () => { clearTimeout(timer); resolve() }, { once: true })
})
