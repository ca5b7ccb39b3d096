// A client of the `ws` library against our servers: client.js ECHO STRICT SCRIPT DEFLATE LIMITED (see run).
'use strict';

const assert = require('node:assert/strict');
const { createCipheriv } = require('node:crypto');
const { inspect } = require('node:util');
const WebSocket = require('ws');

const LIMIT = 30_000; // milliseconds; no check takes so long, even on a busy machine
const [ECHO, STRICT, SCRIPT, DEFLATE, LIMITED] = process.argv.slice(2);
const STRICT_SIZE = 65536;
const SIDES = ['server', 'client'];

const UNICODE = 'naïve Ωμέγα 日本語 \u{1f980} \u{10ffff} \0';
// The longest there may be: 123 bytes.
const LONG_REASON =
  'ändern, bleiben, gehen: was auch immer; this reason is as long as a reason may be, to the very ' +
  'last byte of its 123 bytes.';
const CLOSES = {
  1000: [1000, 'bye'],
  3000: [3000, 'auf Wiederhören ✓'],
  4999: [4999, LONG_REASON],
  empty: [undefined, ''],
};
const REFUSALS = {
  401: ['www-authenticate', 'Basic realm="interop"', 'who is it?\n'],
  403: ['x-reason', 'none', 'kein Zutritt für dich\n'],
  302: ['location', '/echo/elsewhere', 'not here\n'],
};

const checks = [];
let lastId = 0;

const newId = () => (lastId += 1);

// Adds a check; with variants, one for each, whose name has it in the place of {}.
function check(name, run, variants = ['']) {
  for (const variant of variants) checks.push([name.replace('{}', variant), () => run(variant)]);
}

function same(what, got, expected) {
  if (Buffer.isBuffer(got) && Buffer.isBuffer(expected) && got.equals(expected)) return;
  try {
    assert.deepEqual(got, expected);
  } catch {
    throw new Error(`${what}: ${brief(got)}, not ${brief(expected)}`);
  }
}

function brief(value) {
  const text = inspect(value, { breakLength: Infinity });
  return text.length <= 200 ? text : `${text.slice(0, 200)}... (${text.length} characters)`;
}

// A connection whose events queue up: {text}, {binary}, {ping}, {pong}, {error}, and {code, reason} at the end.
class Peer {
  #queue = [];
  #waiting = [];

  constructor(url, options = {}) {
    const { protocols, ...others } = options;
    this.ws = new WebSocket(url, protocols, { perMessageDeflate: false, closeTimeout: LIMIT / 2, ...others });
    const on = (event, convert) => this.ws.on(event, (...args) => this.#add(convert(...args)));
    on('message', (data, isBinary) => (isBinary ? { binary: data } : { text: data.toString() }));
    on('ping', (data) => ({ ping: data.toString('latin1') }));
    on('pong', (data) => ({ pong: data.toString('latin1') }));
    on('error', (error) => ({ error: error.message }));
    on('close', (code, reason) => ({ code, reason: reason.toString() }));
    on('open', () => 'open');
    this.ws.on('upgrade', (response) => (this.response = response));
  }

  static async open(url, options) {
    const peer = new Peer(url, options);
    same('opened', await peer.next(), 'open');
    return peer;
  }

  #add(event) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(event);
    else this.#queue.push(event);
  }

  next() {
    if (this.#queue.length > 0) return Promise.resolve(this.#queue.shift());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  send(message, options) {
    this.ws.send(message, options);
  }

  async echoes(message) {
    this.send(message);
    await this.receives(message);
  }

  async receives(message) {
    const event = await this.next();
    if (typeof message === 'string') same('text', event.text ?? event, message);
    else same('binary', event.binary ?? event, message);
  }

  async bye() {
    this.ws.close(1000);
    same('closed with', await this.next(), { code: 1000, reason: '' });
  }
}

async function echoes(messages, url = ECHO, options = {}) {
  const peer = await Peer.open(url, options);
  for (const message of messages) await peer.echoes(message);
  await peer.bye();
}

// How a connection ended as our server saw it: begun by whom, clean or not, the code, the reason.
async function saw(id, expected) {
  const peer = await Peer.open(`${SCRIPT}script/${newId()}`);
  peer.send(`ended ${id}`);
  same('what the server saw', await peer.next(), { text: expected });
  await peer.bye();
}

// The second factor keeps shifted data from looking right.
const binary = (size) => Buffer.from(Uint8Array.from({ length: size }, (_, i) => i ^ ((i >> 8) * 7)));

function text(size) {
  const line = '0123456789 äöü €\n';
  const lines = line.repeat(Math.floor(size / Buffer.byteLength(line)));
  return lines + '.'.repeat(size - Buffer.byteLength(lines));
}

check('text', () => echoes(['hello', 'again']));
check('unicode text', () => echoes([UNICODE]));
check('binary, all byte values', () => echoes([binary(256), binary(1000)]));
check('empty text', () => echoes(['', 'after it']));
check('empty binary', () => echoes([Buffer.alloc(0), 'after it']));
check('sizes 125, 126, 65535, 65536', () => {
  const sizes = [125, 126, 127, 65535, 65536];
  return echoes([...sizes.map(binary), ...sizes.map(text)]);
});
check('1 MiB of text', () => echoes([text(1 << 20)]));
check('1 MiB of binary', () => echoes([binary(1 << 20)]));

check(
  'fragmented {}, a ping between',
  async (kind) => {
    const whole = Buffer.from('ein € in Stücken, und eines davon leer');
    const isBinary = kind === 'binary';
    const peer = await Peer.open(ECHO);
    // The euro sign is cut.
    peer.send(whole.subarray(0, 5), { binary: isBinary, fin: false });
    peer.ws.ping('between');
    peer.send(Buffer.alloc(0), { binary: isBinary, fin: false });
    // The answer does not wait for the rest of the message.
    same('the answer', await peer.next(), { pong: 'between' });
    peer.send(whole.subarray(5), { binary: isBinary, fin: true });
    await peer.receives(isBinary ? whole : whole.toString());
    await peer.bye();
  },
  ['text', 'binary'],
);

check('many small fragments', async () => {
  const peer = await Peer.open(ECHO);
  for (const message of [text(300_000), binary(300_001)]) {
    const data = Buffer.from(message);
    for (let i = 0; i < data.length; i += 1000) {
      peer.send(data.subarray(i, i + 1000), { binary: message !== data.toString(), fin: i + 1000 >= data.length });
    }
    await peer.receives(message);
  }
  await peer.bye();
});

check('fragments from the server', () => echoes([text(10_000), binary(10_001)], STRICT));

check('fragments from the server, a ping between', async () => {
  const peer = await Peer.open(`${SCRIPT}script/${newId()}`);
  peer.send('fragments');
  // That the ping is the first to arrive tells that there were fragments around it.
  same('first', await peer.next(), { ping: 'between' });
  same('second', await peer.next(), { text: 'three € in fragments' });
  await peer.bye();
});

check('pings by the client', async () => {
  const peer = await Peer.open(ECHO);
  for (const payload of ['are you there', '', '\xff'.repeat(125)]) {
    peer.ws.ping(Buffer.from(payload, 'latin1'));
    same('the answer', await peer.next(), { pong: payload });
  }
  await peer.bye();
});

check('pings by the server', async () => {
  const peer = await Peer.open(`${SCRIPT}script/${newId()}`);
  for (const payload of ['are you there', 'x', 'ab'.repeat(62)]) {
    peer.send(`ping ${payload}`);
    same('first', await peer.next(), { ping: payload });
    // The server says so when it has the pong.
    same('second', await peer.next(), { text: `pong ${payload}` });
  }
  await peer.bye();
});

check('200 messages without waiting', async () => {
  const messages = Array.from({ length: 200 }, (_, n) => (n % 2 ? binary(n) : `${n}: ${'é'.repeat(n)}`));
  const peer = await Peer.open(ECHO);
  for (const message of messages) peer.send(message);
  for (const message of messages) await peer.receives(message);
  await peer.bye();
});

check('200 messages of 100 kB without waiting', async () => {
  // So much that it works only if both directions flow at once.
  const data = binary(100_000);
  const peer = await Peer.open(ECHO);
  for (let n = 0; n < 200; n += 1) peer.send(Buffer.concat([data, Buffer.from([n])]));
  for (let n = 0; n < 200; n += 1) await peer.receives(Buffer.concat([data, Buffer.from([n])]));
  await peer.bye();
});

check("subprotocol: the server's preference", async () => {
  for (const protocols of [['chat.v1', 'chat.v2'], ['other', 'chat.v2', 'chat.v1']]) {
    const peer = await Peer.open(STRICT, { protocols });
    same('chosen', peer.ws.protocol, 'chat.v2');
    await peer.bye();
  }
  const peer = await Peer.open(STRICT, { protocols: ['chat.v1'] });
  same('chosen of one', peer.ws.protocol, 'chat.v1');
  await peer.bye();
});

check('subprotocol: none in common', async () => {
  const peer = await Peer.open(STRICT);
  same('chosen', peer.ws.protocol, '');
  await peer.bye();
  // As browsers do, the library then takes the connection for failed.
  for (const [url, protocol] of [[STRICT, 'other'], [ECHO, 'chat.v1']]) {
    const other = new Peer(url, { protocols: [protocol] });
    same('the client says', await other.next(), { error: 'Server sent no subprotocol' });
    same('status', other.response.statusCode, 101);
    same('chosen', other.response.headers['sec-websocket-protocol'], undefined);
  }
});

check('permessage-deflate offered, not granted', async () => {
  const peer = new Peer(ECHO, { perMessageDeflate: { threshold: 0 } });
  const offer = peer.ws._req.getHeader('Sec-WebSocket-Extensions');
  same('offered', offer.includes('permessage-deflate'), true);
  same('opened', await peer.next(), 'open');
  same('granted', peer.ws.extensions, '');
  same('in the response', peer.response.headers['sec-websocket-extensions'], undefined);
  await peer.echoes('a'.repeat(1000));
  await peer.bye();
});

// 200 messages of all kinds and sizes, which repeat themselves at distances around that of every window.
function mixedMessages() {
  const dice = createCipheriv('aes-128-ctr', 'sixteen letters.', Buffer.alloc(16));
  const random = (size) => dice.update(Buffer.alloc(size));
  const messages = [];
  for (let n = 0; n < 25; n += 1) {
    const distance = (1 << (8 + Math.floor(n / 3))) + (n % 3) - 1;
    // Of few letters, so that it gets smaller in any case; at random, so that it repeats nothing else at length.
    const letters = random(distance).toString('hex').slice(0, distance);
    messages.push(
      ['', Buffer.alloc(0)][n % 2],
      Buffer.from([n]),
      JSON.stringify({ id: n, user: `guest ${n}`, text: 'hello, world', tags: Array(n).fill(n) }),
      UNICODE.repeat((n % 5) + 1),
      random(60 * n),
      letters,
      Buffer.from(letters),
      [text(3500 * n), Buffer.alloc(2 * distance, random(distance)), binary(3000 * n)][n % 3],
    );
  }
  return messages;
}

const MIXED = mixedMessages();

// As they stand in paths: who has no takeover, of "server" and "client", and the bits; "-" for what is not set.
const params = ([noTakeover, serverBits, clientBits]) =>
  `${noTakeover.join('+') || '-'},${serverBits || '-'},${clientBits || '-'}`;

const NOTHING = [[], undefined, undefined];

// A connection that offers compression.
function deflating(url, [noTakeover, serverBits, clientBits] = NOTHING) {
  const perMessageDeflate = {
    serverNoContextTakeover: noTakeover.includes('server'),
    clientNoContextTakeover: noTakeover.includes('client') || undefined,
    serverMaxWindowBits: serverBits,
    clientMaxWindowBits: clientBits,
    threshold: 0,
  };
  return Peer.open(url, { perMessageDeflate });
}

// What the library took from the response.
function agreed({ ws }) {
  same('extensions', ws.extensions, 'permessage-deflate');
  const got = ws._extensions['permessage-deflate'].params;
  const noTakeover = SIDES.filter((side) => got[`${side}_no_context_takeover`]);
  return params([noTakeover, got.server_max_window_bits ?? 15, got.client_max_window_bits ?? 15]);
}

// Makes an encoder or decoder of messages count: them, and their bytes before and after.
function metered(deflate, method) {
  const counts = { messages: 0, before: 0, after: 0 };
  const codec = deflate[method].bind(deflate);
  deflate[method] = (data, fin, done) =>
    codec(data, fin, (error, result) => {
      counts.messages += 1;
      counts.before += Buffer.byteLength(data);
      counts.after += result?.length ?? 0;
      done(error, result);
    });
  return counts;
}

// All messages and their echoes, compressed indeed.
async function mixed(peer) {
  const deflate = peer.ws._extensions['permessage-deflate'];
  const sent = metered(deflate, 'compress');
  const received = metered(deflate, 'decompress');
  for (const message of MIXED) peer.send(message);
  for (const message of MIXED) await peer.receives(message);
  await peer.bye();
  // The library compresses everything; our side what gets smaller, which two in five do with any window.
  same('compressed', sent.messages, MIXED.length);
  same(`enough compressed: ${received.messages}`, received.messages >= 0.4 * MIXED.length, true);
  same(`smaller: ${inspect(sent)}`, sent.after < 0.6 * sent.before, true);
  same(`smaller: ${inspect(received)}`, received.before < 0.6 * received.after, true);
}

// All that can be agreed, asked for by each side in turn: the server's settings, the offer, the agreement.
for (let flags = 0; flags < 4; flags += 1) {
  for (let server = 8; server <= 15; server += 1) {
    for (let client = 8; client <= 15; client += 1) {
      const noTakeover = SIDES.filter((_, bit) => (flags >> bit) & 1);
      const asked = [noTakeover, server, client];
      const more = [noTakeover, Math.min(server + 1, 15), Math.min(client + 1, 15)];
      const [by, settings, offer, agreement] = [
        ['the client', NOTHING, asked, asked],
        // Our server uses the smaller window without a word about it.
        ['the server', asked, NOTHING, [noTakeover, 15, client]],
        ['both, the client for less', more, asked, asked],
        ['both, the server for less', asked, more, asked],
      ][(flags + server + client) % 4];
      check(`compressed with ${params(asked)}, asked for by ${by}`, async () => {
        const url = settings === NOTHING ? DEFLATE : `${SCRIPT}deflate/${params(settings)}`;
        const peer = await deflating(url, offer);
        same('agreed', agreed(peer), params(agreement));
        await mixed(peer);
      });
    }
  }
}

check("compressed with all the echo server's options", async () => {
  const peer = await deflating(LIMITED);
  same('agreed', agreed(peer), 'server+client,15,11');
  await mixed(peer);
  const asking = await deflating(LIMITED, [[], 15, undefined]);
  same('agreed', agreed(asking), 'server+client,10,11');
  await asking.bye();
});

check('compressed without client_max_window_bits in the offer', async () => {
  const peer = await deflating(DEFLATE, [[], undefined, false]);
  same('agreed', agreed(peer), '-,15,15');
  await mixed(peer);
});

check('not compressed if the client does not say that it can have the window demanded', async () => {
  const peer = await deflating(LIMITED, [[], undefined, false]);
  same('granted', peer.ws.extensions, '');
  same('in the response', peer.response.headers['sec-websocket-extensions'], undefined);
  await peer.echoes('a'.repeat(1000));
  await peer.bye();
});

// The response of a server that does not open a connection.
async function refusal(url, options) {
  const { ws } = new Peer(url, options);
  const response = await new Promise((resolve, reject) => {
    ws.on('unexpected-response', (_, refusing) => resolve(refusing));
    ws.on('open', () => reject(new Error('not refused')));
  });
  response.setEncoding('utf8');
  let body = '';
  for await (const piece of response) body += piece;
  return { status: response.statusCode, headers: response.headers, body };
}

check(
  'refused with {}',
  async (status) => {
    const [header, value, expected] = REFUSALS[status];
    const { status: got, headers, body } = await refusal(`${SCRIPT}refuse/${status}`);
    same('status', got, status);
    same(header, headers[header], value);
    same('body', body, expected);
  },
  [401, 403, 302],
);

check('a foreign origin refused with 403', async () => {
  const { status } = await refusal(STRICT, { origin: 'http://evil.example' });
  same('status', status, 403);
  await echoes(['from a good origin'], STRICT, { origin: 'http://good.example' });
});

check(
  'close by the client: {}',
  async (which) => {
    const [code, reason] = CLOSES[which];
    const seen = code ?? 1005;
    const id = newId();
    for (const url of [ECHO, `${SCRIPT}echo/${id}`]) {
      const peer = await Peer.open(url);
      peer.send('before');
      if (code) peer.ws.close(code, reason);
      else peer.ws.close();
      same('on its way', await peer.next(), { text: 'before' });
      // We repeat the code alone.
      same('received', await peer.next(), { code: seen, reason: '' });
    }
    await saw(id, `Peer clean ${seen} ${reason}`);
  },
  Object.keys(CLOSES),
);

check(
  'close by the server: {}',
  async (which) => {
    const [code, reason] = CLOSES[which];
    const seen = code ?? 1005;
    const id = newId();
    const peer = await Peer.open(`${SCRIPT}script/${id}`);
    peer.send(code ? `close ${code} ${reason}` : 'close');
    same('received', await peer.next(), { code: seen, reason });
    // The library repeats the reason too.
    await saw(id, `Us clean ${seen} ${reason}`);
  },
  Object.keys(CLOSES),
);

check('connection lost by the client', async () => {
  const id = newId();
  const peer = await Peer.open(`${SCRIPT}echo/${id}`);
  peer.ws.terminate();
  await saw(id, 'Transport unclean 1006 ');
});

check('connection lost by the server', async () => {
  const peer = await Peer.open(`${SCRIPT}script/${newId()}`);
  peer.send('drop');
  same('closed with', await peer.next(), { code: 1006, reason: '' });
});

check('message over our limit: 1009', async () => {
  await echoes([binary(STRICT_SIZE), text(STRICT_SIZE)], STRICT);
  for (const pieces of [[binary(STRICT_SIZE + 1)], [binary(1 << 20)], [binary(STRICT_SIZE), Buffer.from('1')]]) {
    const peer = await Peer.open(STRICT);
    for (const piece of pieces) peer.send(piece, { fin: piece === pieces.at(-1) });
    same('closed with', await peer.next(), { code: 1009, reason: '' });
  }
});

check('message over their limit: 1009', async () => {
  const id = newId();
  const peer = await Peer.open(`${SCRIPT}echo/${id}`, { maxPayload: 1000 });
  peer.send(binary(1001));
  same('the client says', await peer.next(), { error: 'Max payload size exceeded' });
  await saw(id, 'Peer clean 1009 ');
});

check('invalid UTF-8: 1007', async () => {
  const invalid = [['caf\xe9'], ['fine so far', '\xf0\x9f', 'but not now'], ['cut \xe2\x82']];
  for (const pieces of invalid) {
    const peer = await Peer.open(ECHO);
    for (const [n, piece] of pieces.entries()) {
      peer.send(Buffer.from(piece, 'latin1'), { binary: false, fin: n === pieces.length - 1 });
    }
    same('closed with', await peer.next(), { code: 1007, reason: '' });
  }
});

async function main() {
  for (const [name, run] of checks) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not done within ${LIMIT} ms`)), LIMIT);
    });
    try {
      await Promise.race([run(), late]);
    } catch (error) {
      console.log(`not ok - ${name}: ${error.message}`);
      return 1;
    } finally {
      clearTimeout(timer);
    }
    console.log(`ok - ${name}`);
  }
  return 0;
}

// Connections of a failed check may still be open.
main().then((status) => process.exit(status));
