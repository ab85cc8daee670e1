// An SMSC of npm's smpp. It prints what it gets as lines of JSON: its port, binds, and
// short messages. A line on standard input is a customer's text, which it cuts into
// segments and sends last one first.
'use strict';
const smpp = require('smpp');
const readline = require('readline');

const say = (o) => process.stdout.write(JSON.stringify(o) + '\n');
let id = 1000;
let throttle = 1;
let esme;

const server = smpp.createServer((session) => {
  session.on('error', () => {});
  session.on('bind_transceiver', (pdu) => {
    if (pdu.password !== 'secret') {
      session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
      session.close();
      return;
    }
    say({ bind: pdu.system_id, version: pdu.interface_version });
    session.send(pdu.response({ system_id: 'NODESMSC' }));
    esme = session;
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    say({ unbind: true });
    session.send(pdu.response());
    session.close();
  });
  session.on('submit_sm', (pdu) => {
    const m = pdu.short_message;
    if (m.message === 'throttle' && throttle-- > 0) {
      session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
      return;
    }
    const messageID = String(++id);
    say({
      from: pdu.source_addr, to: pdu.destination_addr, text: m.message, id: messageID,
      udh: m.udh ? Buffer.concat(m.udh).toString('hex') : '', coding: pdu.data_coding,
      ton: pdu.dest_addr_ton, npi: pdu.dest_addr_npi, receipt: pdu.registered_delivery,
    });
    session.send(pdu.response({ message_id: messageID }));
    if (pdu.registered_delivery & 1) {
      session.deliver_sm({
        source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: 4,
        short_message: `id:${messageID} sub:001 dlvrd:001 submit date:2611220430 done date:2611220431 stat:DELIVRD err:000 text:x`,
        receipted_message_id: messageID, message_state: 2,
      });
    }
  });
});

server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const text = JSON.parse(line);
  const per = /^[\x20-\x7e]*$/.test(text) ? 153 : 67;
  const parts = [];
  for (let i = 0; i < text.length; i += per) parts.push(text.slice(i, i + per));
  for (let i = parts.length - 1; i >= 0; i--) {
    esme.deliver_sm({
      source_addr: '41791234567', source_addr_ton: 1, source_addr_npi: 1, destination_addr: '41790000099', esm_class: 0x40,
      short_message: { udh: Buffer.from([5, 0, 3, 0xa7, parts.length, i + 1]), message: parts[i] },
    }, (resp) => say({ taken: i + 1, status: resp.command_status }));
  }
}).on('close', () => process.exit(0));
