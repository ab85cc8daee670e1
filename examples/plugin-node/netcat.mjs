// The channel netcat: customers chat over a plain TCP connection, such as
//
//	nc 127.0.0.1 7000
//
// The first line is their name, every other one a message. "* ok" says that
// the gateway has it for good; what was not confirmed when a connection broke
// is to be sent again. A client that starts a line with #<id> gives the message
// an id of its own, under which a second copy is dropped.
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { rejected, retry } from './gateway.mjs'

const maxLine = 4096 // characters
const maxCustomers = 1000 // connections at a time
const maxUnread = 1 << 20 // bytes that a customer may leave unread
const maxSent = 1000 // messages remembered, so that none is shown twice

export class Netcat {
  constructor ({ listen, password = '' }, host) {
    const [, address, port] = /^(.+):(\d{1,5})$/.exec(listen) ?? []
    if (!address || Number(port) > 65535) throw rejected('listen', 'listen: want host:port, such as "127.0.0.1:7000"')
    Object.assign(this, { address: address.replace(/^\[(.*)\]$/, '$1'), port: Number(port), password, host })
    this.sockets = new Set()
    this.online = new Map() // sets of sockets, by the customer's name
    this.sent = new Set() // ids of messages
    this.taking = new Set() // events on their way to the gateway
    this.stopReceiving()
  }

  // listen takes customers until signal is aborted, and returns when the last
  // of their events is durable. Connections stay open, unread: a drained plugin
  // still delivers what it has in hand, and may be told to go on.
  async listen (signal, emit) {
    const server = createServer(socket => this.serve(socket))
    server.maxConnections = maxCustomers
    try {
      server.listen(this.port, this.address)
      await once(server, 'listening', { signal }) // or throws: the gateway shows why, and tries again
      this.startReceiving(emit)
      signal.addEventListener('abort', () => this.stopReceiving(), { once: true })
      await once(server, 'error', { signal }).then(([err]) => { this.stopReceiving(); throw err })
    } catch (err) {
      if (!signal.aborted) throw err
    } finally {
      server.close()
    }
    await Promise.allSettled(this.taking)
  }

  // emitter resolves to emit while the instance receives.
  stopReceiving () { this.emitter = new Promise(resolve => { this.startReceiving = resolve }) }

  // release lets go of the customers: another process is about to take over.
  release () { for (const socket of this.sockets) socket.end('* bye, please connect again\n') }

  // end is called when the instance is closed.
  end () { this.release() }

  // ---- from customers ----

  async serve (socket) {
    this.sockets.add(socket)
    socket.setEncoding('utf8').setKeepAlive(true, 60_000)
    let name
    try {
      const lines = readLines(socket)
      name = await this.greet(socket, lines)
      if (name) await this.chat(socket, name, lines)
    } catch (err) {
      if (!socket.destroyed) socket.end(`* ${err.message}\n`)
    } finally {
      this.leave(name, socket)
      socket.destroySoon()
    }
  }

  // greet returns the customer's name, "" if they may not come in.
  async greet (socket, lines) {
    const ask = async question => { socket.write(question); return (await lines.next()).value ?? '' }
    const name = (await ask('* name? ')).trim()
    if (!/^[\p{L}\p{N}._@+-]{1,64}$/u.test(name)) throw new Error('a name is up to 64 letters, digits and . _ @ + -')
    if (this.password && !same(await ask('* password? '), this.password)) throw new Error('no')
    if (!this.online.has(name)) this.online.set(name, new Set())
    this.online.get(name).add(socket)
    socket.write(`* welcome, ${name}\n`)
    return name
  }

  // chat takes one line after the other; while one is on its way nothing is
  // read, so that TCP slows down who writes too fast.
  async chat (socket, name, lines) {
    const connection = randomUUID()
    let n = 0
    for await (const line of lines) {
      const [, own, text] = /^(?:#([\w-]{1,64}) )?(.*)$/.exec(line)
      n++
      if (text.trim() === '') continue
      const id = own ? `${name}:${own}` : `${connection}:${n}`
      await this.take({ type: 'customer_message', id, message_id: id, customer: { address: name, name }, text })
      socket.write('* ok\n')
    }
  }

  // take returns once the event is durable, also if the instance has to stop
  // receiving meanwhile.
  async take (event) {
    for (;;) {
      const emit = await this.emitter
      const taking = emit([event])
      this.taking.add(taking)
      try {
        return await taking
      } catch (err) {
        if (err.outcome !== 'RETRY') throw err
      } finally {
        this.taking.delete(taking)
      }
    }
  }

  leave (name, socket) {
    this.sockets.delete(socket)
    const sockets = this.online.get(name)
    sockets?.delete(socket)
    if (sockets?.size === 0) this.online.delete(name)
  }

  // ---- to customers ----

  // send writes a message to all connections of a customer. What it throws
  // tells the gateway what to do next: here, to try again.
  async send ({ customer, message }) {
    const sockets = this.online.get(customer.address)
    if (!sockets) throw retry('the customer is not connected', 5000)
    if (this.sent.has(message.id)) return { message_id: message.id }
    const who = message.agent?.name || { AUTHOR_BOT: 'bot', AUTHOR_AGENT: 'agent' }[message.author] || 'service'
    for (const socket of sockets) {
      if (socket.writableLength > maxUnread) socket.destroy(new Error('the customer does not read'))
      else socket.write(message.text.replace(/^/gm, `${who}: `) + '\n')
    }
    this.sent.add(message.id)
    if (this.sent.size > maxSent) this.sent.delete(this.sent.values().next().value)
    return { message_id: message.id }
  }
}

// readLines yields the lines of a socket, and reads no further while one is
// worked on.
async function * readLines (socket) {
  const check = line => { if (line.length > maxLine) throw new Error(`a line has more than ${maxLine} characters`) }
  let rest = ''
  for await (const chunk of socket) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()
    for (const line of lines) {
      check(line)
      yield line.replace(/\r$/, '')
    }
    check(rest)
  }
}

// same compares in constant time.
const same = (a, b) => timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())

export default {
  kind: 'CHANNEL',
  name: 'netcat',
  capabilities: { channel_type: 'netcat', to_outside: { limit: 2000, unit: 'UTF16' } },
  settings: {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: {
      listen: { type: 'string', title: 'Address', description: 'TCP address to listen at, such as 127.0.0.1:7000' },
      password: { type: 'string', title: 'Password', description: 'What customers have to know. Without it anybody may come in.', 'x-secret': true }
    },
    required: ['listen'],
    additionalProperties: false
  },
  instance: Netcat
}
