import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { test } from 'node:test'
import { Netcat } from './netcat.mjs'
import { retry } from './gateway.mjs'

// freePort is one that nobody listens at just now.
async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await new Promise(resolve => server.close(resolve))
  return port
}

// start lets a channel receive; events has what it emits.
async function start (t, settings = {}, emit = () => {}) {
  const port = await freePort()
  const channel = new Netcat({ listen: `127.0.0.1:${port}`, ...settings })
  const stop = new AbortController()
  const events = []
  const over = channel.listen(stop.signal, async ([event]) => { events.push(event); await emit(event) })
  t.after(async () => { stop.abort(); channel.end(); await over.catch(() => {}) })
  return { channel, port, events, stop, over }
}

// customer connects, and waits for texts that the channel writes.
async function customer (t, port, ...lines) {
  let socket
  for (;;) { // the listener comes up
    socket = connect(port, '127.0.0.1')
    try { await once(socket, 'connect'); break } catch (err) { assert.equal(err.code, 'ECONNREFUSED') }
  }
  t.after(() => socket.destroy())
  socket.setEncoding('utf8')
  let seen = ''
  const waiting = new Set()
  socket.on('data', chunk => { seen += chunk; for (const w of waiting) w() })
  socket.on('error', () => {})
  for (const line of lines) socket.write(line + '\n')
  const sees = text => new Promise(resolve => {
    const look = () => { if (seen.includes(text)) { waiting.delete(look); seen = seen.slice(seen.indexOf(text) + text.length); resolve() } }
    waiting.add(look)
    look()
  })
  return { socket, sees, say: line => socket.write(line + '\n') }
}

const message = (id, text, more = {}) => ({ customer: { address: 'ada' }, message: { id, text, author: 'AUTHOR_AGENT', ...more } })

test('a chat, both ways', async t => {
  const { channel, port, events } = await start(t)
  const ada = await customer(t, port, 'ada')
  await ada.sees('welcome, ada')
  ada.say('hello')
  await ada.sees('* ok')
  ada.say('')
  ada.say('é and more\r')
  await ada.sees('* ok')
  assert.deepEqual(events.map(e => [e.type, e.customer.address, e.text]),
    [['customer_message', 'ada', 'hello'], ['customer_message', 'ada', 'é and more']])
  assert.notEqual(events[0].id, events[1].id)

  assert.deepEqual(await channel.send(message('m1', 'two\nlines', { agent: { name: 'Bob' } })), { message_id: 'm1' })
  await ada.sees('Bob: two\nBob: lines\n')
  await channel.send(message('m1', 'two\nlines')) // the same again is shown once
  await channel.send(message('m2', 'and this'))
  await ada.sees('agent: and this\n')
})

test('the id of a client is that of the event', async t => {
  const { port, events } = await start(t)
  const ada = await customer(t, port, 'ada', '#a1 hello', '#a1 hello')
  await ada.sees('* ok')
  await ada.sees('* ok')
  assert.deepEqual(events.map(e => e.id), ['ada:a1', 'ada:a1']) // the gateway drops the second
})

test('who is not connected', async t => {
  const { channel } = await start(t)
  await assert.rejects(channel.send(message('m1', 'hello')), { outcome: 'RETRY', after: 5000 })
})

test('password', async t => {
  const { port, events } = await start(t, { password: 'open sesame' })
  const eve = await customer(t, port, 'eve', 'guess', 'hello')
  await once(eve.socket, 'close')
  const ada = await customer(t, port, 'ada', 'open sesame', 'hello')
  await ada.sees('* ok')
  assert.deepEqual(events.map(e => e.customer.address), ['ada'])
})

test('names and lines that are refused', async t => {
  const { port, events } = await start(t)
  for (const lines of [['a name with blanks', 'hello'], ['x'.repeat(65)], ['ada', 'x'.repeat(5000)]]) {
    const c = await customer(t, port, ...lines)
    await once(c.socket, 'close')
  }
  assert.equal(events.length, 0)
})

test('what is not taken before a drain comes again after it, with its id', async t => {
  const refused = signal => new Promise((resolve, reject) => signal.addEventListener('abort', () => reject(retry('draining'))))
  const { channel, port, events, stop, over } = await start(t, {}, () => refused(stop.signal))
  const ada = await customer(t, port, 'ada', 'hello', 'and more')
  while (events.length === 0) await new Promise(resolve => setImmediate(resolve))
  stop.abort()
  await over
  const again = new AbortController()
  const listening = channel.listen(again.signal, async ([event]) => { events.push(event) })
  await ada.sees('* ok')
  await ada.sees('* ok')
  again.abort()
  await listening
  assert.deepEqual(events.map(e => e.text), ['hello', 'hello', 'and more'])
  assert.equal(events[0].id, events[1].id)
})

test('settings', () => {
  for (const listen of ['somewhere', '127.0.0.1:70000', ':7000', '']) {
    assert.throws(() => new Netcat({ listen }), { outcome: 'REJECTED' }, listen)
  }
})
