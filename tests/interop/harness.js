// What the clients with the `ws` library have in common: checks that run one after the other,
// connections with a queue of their events, and messages.
'use strict';

const assert = require('node:assert/strict');
const { createCipheriv } = require('node:crypto');
const { inspect } = require('node:util');
const WebSocket = require('ws');

// The maximum time of a check in milliseconds, with a margin for a busy machine.
const CHECK_TIMEOUT = 30_000;
const SIDES = ['server', 'client'];

const UNICODE = 'naïve Ωμέγα 日本語 \u{1f980} \u{10ffff} \0';
// A reason of 123 bytes, the maximum.
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
  401: ['www-authenticate', 'Basic realm="interop"', 'authentication required\n'],
  403: ['x-reason', 'none', 'kein Zutritt für dich\n'],
  302: ['location', '/echo/elsewhere', 'not here\n'],
};

const checks = [];
let lastId = 0;

const newId = () => (lastId += 1);

// Adds a check. With variants, it adds one for each, with the variant in place of {} in the name.
function check(name, run, variants = ['']) {
  for (const variant of variants) checks.push([name.replace('{}', variant), () => run(variant)]);
}

function checkEqual(what, got, expected) {
  if (Buffer.isBuffer(got) && Buffer.isBuffer(expected) && got.equals(expected)) return;
  try {
    assert.deepEqual(got, expected);
  } catch {
    throw new Error(`${what}: ${shortened(got)}, not ${shortened(expected)}`);
  }
}

function shortened(value) {
  const text = inspect(value, { breakLength: Infinity });
  return text.length <= 200 ? text : `${text.slice(0, 200)}... (${text.length} characters)`;
}

// A connection with a queue of its events: {text}, {binary}, {ping}, {pong}, {error}, and
// {code, reason} at the end.
class Connection {
  #queue = [];
  #waiting = [];

  constructor(url, options = {}) {
    const { protocols, ...others } = options;
    this.ws = new WebSocket(url, protocols, { perMessageDeflate: false, closeTimeout: CHECK_TIMEOUT / 2, ...others });
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
    const connection = new Connection(url, options);
    checkEqual('opened', await connection.next(), 'open');
    return connection;
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
    if (typeof message === 'string') checkEqual('text', event.text ?? event, message);
    else checkEqual('binary', event.binary ?? event, message);
  }

  async closeCleanly() {
    this.ws.close(1000);
    checkEqual('closed with', await this.next(), { code: 1000, reason: '' });
  }
}

// The second factor keeps shifted data from looking right.
const binary = (size) => Buffer.from(Uint8Array.from({ length: size }, (_, i) => i ^ ((i >> 8) * 7)));

function text(size) {
  const line = '0123456789 äöü €\n';
  const lines = line.repeat(Math.floor(size / Buffer.byteLength(line)));
  return lines + '.'.repeat(size - Buffer.byteLength(lines));
}

// Returns 200 messages of all kinds and sizes, with repetitions at distances around the size of
// every window.
function mixedMessages() {
  const generator = createCipheriv('aes-128-ctr', 'sixteen letters.', Buffer.alloc(16));
  const random = (size) => generator.update(Buffer.alloc(size));
  const messages = [];
  for (let n = 0; n < 25; n += 1) {
    const distance = (1 << (8 + Math.floor(n / 3))) + (n % 3) - 1;
    // Random, so that it has no long repetitions, and of few letters, so that it compresses all the
    // same.
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

// Returns the parameters in the notation of the paths: the sides without context takeover and the
// window bits; "-" for a parameter that is not set.
const params = ([noTakeover, serverBits, clientBits]) =>
  `${noTakeover.join('+') || '-'},${serverBits || '-'},${clientBits || '-'}`;

const NO_PARAMS = [[], undefined, undefined];

// Opens a connection that offers compression.
function openDeflate(url, [noTakeover, serverBits, clientBits] = NO_PARAMS) {
  const perMessageDeflate = {
    serverNoContextTakeover: noTakeover.includes('server'),
    clientNoContextTakeover: noTakeover.includes('client') || undefined,
    serverMaxWindowBits: serverBits,
    clientMaxWindowBits: clientBits,
    threshold: 0,
  };
  return Connection.open(url, { perMessageDeflate });
}

// Returns the parameters that the library has read from the response.
function negotiated({ ws }) {
  checkEqual('extensions', ws.extensions, 'permessage-deflate');
  const received = ws._extensions['permessage-deflate'].params;
  const noTakeover = SIDES.filter((side) => received[`${side}_no_context_takeover`]);
  return params([noTakeover, received.server_max_window_bits ?? 15, received.client_max_window_bits ?? 15]);
}

// Counts the messages of an encoder or decoder, and their bytes before and after.
function countMessages(deflate, method) {
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

// Exchanges all messages and checks that they were compressed.
async function exchangeMessages(connection) {
  const deflate = connection.ws._extensions['permessage-deflate'];
  const sent = countMessages(deflate, 'compress');
  const received = countMessages(deflate, 'decompress');
  for (const message of MIXED) connection.send(message);
  for (const message of MIXED) await connection.receives(message);
  await connection.closeCleanly();
  // The library compresses all messages. `sockless` compresses those that get smaller, which are
  // two of five with any window.
  checkEqual('compressed', sent.messages, MIXED.length);
  checkEqual(`enough compressed: ${received.messages}`, received.messages >= 0.4 * MIXED.length, true);
  checkEqual(`smaller: ${inspect(sent)}`, sent.after < 0.6 * sent.before, true);
  checkEqual(`smaller: ${inspect(received)}`, received.before < 0.6 * received.after, true);
}

// Returns the response of a server that refuses the handshake.
async function refusal(url, options) {
  const { ws } = new Connection(url, options);
  const response = await new Promise((resolve, reject) => {
    ws.on('unexpected-response', (_, refused) => resolve(refused));
    ws.on('open', () => reject(new Error('not refused')));
  });
  response.setEncoding('utf8');
  let body = '';
  for await (const piece of response) body += piece;
  return { status: response.statusCode, headers: response.headers, body };
}

// Opens a connection, and closes it after the exchange.
async function withConnection(url, exchange) {
  const connection = await Connection.open(url);
  await exchange(connection);
  await connection.closeCleanly();
}

async function checkRefusal(url, status) {
  const [header, value, expected] = REFUSALS[status];
  const { status: received, headers, body } = await refusal(url);
  checkEqual('status', received, status);
  checkEqual(header, headers[header], value);
  checkEqual('body', body, expected);
}

async function checkFragments(connection, isBinary) {
  const whole = Buffer.from('ein € in Stücken, und eines davon leer');
  // The euro sign is divided between two fragments.
  connection.send(whole.subarray(0, 5), { binary: isBinary, fin: false });
  connection.ws.ping('between');
  connection.send(Buffer.alloc(0), { binary: isBinary, fin: false });
  // The server answers before it has the rest of the message.
  checkEqual('the Pong', await connection.next(), { pong: 'between' });
  connection.send(whole.subarray(5), { binary: isBinary, fin: true });
  await connection.receives(isBinary ? whole : whole.toString());
}

async function checkPings(connection) {
  for (const payload of ['are you there', '', '\xff'.repeat(125)]) {
    connection.ws.ping(Buffer.from(payload, 'latin1'));
    checkEqual('the Pong', await connection.next(), { pong: payload });
  }
}

// Sends messages that exceed the buffers, so that both directions must work at the same time.
async function checkBothDirections(connection) {
  const data = binary(100_000);
  for (let n = 0; n < 200; n += 1) connection.send(Buffer.concat([data, Buffer.from([n])]));
  for (let n = 0; n < 200; n += 1) await connection.receives(Buffer.concat([data, Buffer.from([n])]));
}

// The following take a connection to a server that takes commands, or the URL of that server, which
// ends before the path.

async function checkFragmentsOfServer(connection) {
  connection.send('fragments');
  // The Ping arrives first, so it was sent between fragments.
  checkEqual('first', await connection.next(), { ping: 'between' });
  checkEqual('second', await connection.next(), { text: 'three € in fragments' });
}

async function checkPingsOfServer(connection) {
  for (const payload of ['are you there', 'x', 'ab'.repeat(62)]) {
    connection.send(`ping ${payload}`);
    checkEqual('first', await connection.next(), { ping: payload });
    // The server confirms the Pong of the client.
    checkEqual('second', await connection.next(), { text: `pong ${payload}` });
  }
}

// Checks how the server has seen the end of a connection.
function checkEnding(url, id, expected) {
  return withConnection(`${url}script/${newId()}`, async (connection) => {
    connection.send(`ended ${id}`);
    checkEqual('the ending at the server', await connection.next(), { text: expected });
  });
}

async function checkCloseByServer(url, which, ending) {
  const [code, reason] = CLOSES[which];
  const seen = code ?? 1005;
  const id = newId();
  const connection = await Connection.open(`${url}script/${id}`);
  connection.send(code ? `close ${code} ${reason}` : 'close');
  checkEqual('received', await connection.next(), { code: seen, reason });
  // The library repeats the reason.
  await checkEnding(url, id, `${ending} ${seen} ${reason}`);
}

async function checkDropByClient(url, id, ending) {
  const connection = await Connection.open(`${url}echo/${id}`);
  connection.ws.terminate();
  await checkEnding(url, id, ending);
}

// Checks a message over the limit of the library.
async function checkLimit(url, id, ending) {
  const connection = await Connection.open(`${url}echo/${id}`, { maxPayload: 1000 });
  connection.send(binary(1001));
  checkEqual('error of the client', await connection.next(), { error: 'Max payload size exceeded' });
  await checkEnding(url, id, `${ending} 1009 `);
}

async function runChecks() {
  for (const [name, run] of checks) {
    let timer;
    const timeout = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not done within ${CHECK_TIMEOUT} ms`)), CHECK_TIMEOUT);
    });
    try {
      await Promise.race([run(), timeout]);
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

// Exits explicitly, because connections of a failed check may still be open.
const run = () => runChecks().then((status) => process.exit(status));

module.exports = {
  ...{ CLOSES, MIXED, NO_PARAMS, SIDES, UNICODE },
  ...{ Connection, binary, check, checkEqual, exchangeMessages, negotiated, newId, openDeflate, params, refusal, run, text },
  ...{ checkBothDirections, checkCloseByServer, checkDropByClient, checkEnding, checkFragments, checkFragmentsOfServer },
  ...{ checkLimit, checkPings, checkPingsOfServer, checkRefusal, withConnection },
};
