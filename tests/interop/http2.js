// Opens WebSockets over HTTP/2 (RFC 8441) with the client of Node.js, which knows nothing of
// WebSockets, on an echo server:
//
//   node http2.js URL SERVER [PROXY]
//
// URL: an echo server with permessage-deflate for messages of any length, as `http://HOST:PORT/`.
// SERVER: its name. PROXY: the proxy before the server, which has HTTP/1.1 behind it, or HTTP/2 if the
// name ends in `-http2`.
'use strict';

const http2 = require('node:http2');
const zlib = require('node:zlib');

const { binary, check, checkEqual, run, text } = require('./harness');

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const DEFLATE = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);
const [server, proxy = ''] = process.argv.slice(3);
const isTranslated = proxy !== '' && !proxy.endsWith('-http2');
const url = new URL(process.argv[2].replace(/^ws:/, 'http:'));

// Returns a masked frame.
function frame(opcode, payload, { fin = true, rsv1 = false, mask = true } = {}) {
  const length = payload.length;
  const head = [(fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode];
  const bit = mask ? 0x80 : 0;
  if (length < 126) head.push(bit | length);
  else if (length < 65536) head.push(bit | 126, length >> 8, length & 255);
  else head.push(bit | 127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255);
  if (!mask) return Buffer.concat([Buffer.from(head), payload]);
  const key = Buffer.from([0x12, 0x34, 0x56, 0x78]);
  const masked = Buffer.from(payload);
  for (let n = 0; n < length; n++) masked[n] ^= key[n & 3];
  return Buffer.concat([Buffer.from(head), key, masked]);
}

// A WebSocket on a stream.
class WebSocket {
  constructor(stream, headers) {
    this.stream = stream;
    this.headers = headers;
    this.rest = Buffer.alloc(0);
    this.frames = [];
    this.waiting = null;
    stream.on('data', (data) => this.receive(data));
    stream.on('end', () => this.push({ end: true }));
    stream.on('error', (error) => this.push({ error: error.code }));
  }

  push(item) {
    this.frames.push(item);
    this.waiting?.();
  }

  receive(data) {
    this.rest = Buffer.concat([this.rest, data]);
    for (;;) {
      const { rest } = this;
      if (rest.length < 2) return;
      const [first, second] = rest;
      let start = 2;
      let length = second & 0x7f;
      if (length === 126) start = 4;
      if (length === 127) start = 10;
      if (rest.length < start) return;
      if (length === 126) length = rest.readUInt16BE(2);
      else if (length === 127) length = Number(rest.readBigUInt64BE(2));
      if (rest.length < start + length) return;
      this.push({
        opcode: first & 15,
        rsv1: (first & 0x40) !== 0,
        masked: second > 127,
        payload: rest.subarray(start, start + length),
      });
      this.rest = rest.subarray(start + length);
    }
  }

  async next() {
    while (this.frames.length === 0) await new Promise((resolve) => (this.waiting = resolve));
    return this.frames.shift();
  }

  send(opcode, payload, options) {
    this.stream.write(frame(opcode, payload, options));
  }

  // Sends a message, and checks that the same comes back.
  async echo(opcode, payload) {
    const isCompressed = this.headers['sec-websocket-extensions'] !== undefined;
    let sent = payload;
    if (isCompressed) {
      const compressed = zlib.deflateRawSync(payload, { finishFlush: zlib.constants.Z_SYNC_FLUSH });
      checkEqual('the tail', compressed.subarray(-4), TAIL);
      sent = compressed.subarray(0, -4);
    }
    this.send(opcode, sent, { rsv1: isCompressed });
    const received = await this.next();
    checkEqual('kind', [received.opcode, received.masked], [opcode, false]);
    let content = received.payload;
    // A message that would not get shorter is sent as it is.
    if (received.rsv1) {
      const options = { finishFlush: zlib.constants.Z_SYNC_FLUSH };
      content = zlib.inflateRawSync(Buffer.concat([content, TAIL]), options);
    }
    if (!content.equals(payload)) throw new Error(`the echo of ${payload.length} bytes differs`);
    return received.payload.length;
  }

  // Closes, and checks that the server closes and then ends the stream.
  async close(code = 1000) {
    this.send(CLOSE, Buffer.from([code >> 8, code & 255]));
    const received = await this.next();
    checkEqual('Close', [received.opcode, received.payload?.readUInt16BE(0)], [CLOSE, code]);
    await this.ends();
  }

  // Checks that the stream ends.
  async ends() {
    // Apache passes the end of the server on after that of the client.
    if (proxy === 'apache') this.stream.end();
    checkEqual('the end', await this.next(), { end: true });
    this.stream.end();
  }
}

// The windows of a client: a stream has less than the connection.
const session = http2.connect(url.origin, { settings: { initialWindowSize: 65535, enablePush: false } });
session.on('connect', () => session.setLocalWindowSize(1 << 24));
session.on('error', () => {});

// Sends a request. Returns its stream and the headers of the response.
async function request(headers) {
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'http',
    ':authority': url.host,
    ':path': '/',
    'sec-websocket-version': '13',
    ...headers,
  });
  const response = await new Promise((resolve, reject) => {
    stream.on('response', resolve);
    stream.on('error', reject);
  });
  return { stream, response };
}

async function open(headers) {
  const { stream, response } = await request(headers);
  checkEqual('status', response[':status'], 200);
  return new WebSocket(stream, response);
}

check('the server enables the extended CONNECT', async () => {
  const settings = await new Promise((resolve) => session.once('remoteSettings', resolve));
  checkEqual('enableConnectProtocol', settings.enableConnectProtocol, true);
});

check('messages without compression', async () => {
  const ws = await open();
  checkEqual('extensions', ws.headers['sec-websocket-extensions'], undefined);
  // HAProxy passes the header of HTTP/1.1 on.
  if (!isTranslated) checkEqual('accept', ws.headers['sec-websocket-accept'], undefined);
  for (const length of [0, 1, 125, 126, 65535, 65536, 1 << 20]) await ws.echo(BINARY, binary(length));
  await ws.echo(TEXT, Buffer.from('naïve 🦀'));
  await ws.close();
});

check('messages with compression', async () => {
  const ws = await open({ 'sec-websocket-extensions': DEFLATE });
  const extensions = ws.headers['sec-websocket-extensions'];
  if (!extensions.includes('server_no_context_takeover')) throw new Error(extensions);
  for (const length of [0, 1, 126, 65536, 1 << 20]) await ws.echo(BINARY, binary(length));
  const length = await ws.echo(TEXT, Buffer.from('naïve 🦀'.repeat(10_000)));
  if (length > 2000) throw new Error(`${length} bytes on the wire`);
  await ws.close();
});

check('fragments, with a Ping in between', async () => {
  const ws = await open();
  ws.send(TEXT, Buffer.from('frag'), { fin: false });
  ws.send(PING, Buffer.from('ping'));
  ws.send(0, Buffer.from('ments'));
  const [pong, echo] = [await ws.next(), await ws.next()];
  checkEqual('Pong', [pong.opcode, pong.payload.toString()], [PONG, 'ping']);
  checkEqual('echo', [echo.opcode, echo.payload.toString()], [TEXT, 'fragments']);
  await ws.close(1001);
});

check('100 WebSockets on one connection', async () => {
  const one = async (n) => {
    const ws = await open({ 'sec-websocket-extensions': DEFLATE });
    for (let k = 0; k < 5; k++) await ws.echo(TEXT, Buffer.from(`message ${k} of ${n} `.repeat(1 + 100 * k)));
    await ws.close();
  };
  await Promise.all(Array.from({ length: 100 }, (_, n) => one(n)));
});

// A request that a proxy has translated to HTTP/1.1 is refused with the status for that.
const translated = (status) => (isTranslated ? 426 : status);
const allowed = isTranslated ? {} : { allow: 'CONNECT' };
const refused = {
  'another method': [{ ':method': 'GET', ':protocol': undefined }, translated(405), allowed],
  'another version': [{ 'sec-websocket-version': '8' }, translated(400), { 'sec-websocket-version': '13' }],
  'a page of another origin': [{ origin: 'https://evil.example' }, 403, {}],
};
const [product] = proxy.split('-');
const refusesProtocol = ['nghttpx', 'apache'].includes(product);
if (refusesProtocol) console.log(`skipped - an unknown :protocol: ${product} refuses it itself`);
else refused['an unknown :protocol'] = [{ ':protocol': 'connect-udp' }, translated(501), {}];
for (const [name, [headers, status, expected]] of Object.entries(refused)) {
  check(`${name}: ${status}`, async () => {
    const { stream, response } = await request(headers);
    checkEqual('status', response[':status'], status);
    for (const [field, value] of Object.entries(expected)) checkEqual(field, response[field], value);
    stream.setEncoding('utf8');
    let body = '';
    for await (const piece of stream) body += piece;
    if (!body.includes('RFC ')) throw new Error(`the body is ${body}`);
  });
}

check('a violation: Close with 1002, then the end of the stream', async () => {
  const ws = await open();
  ws.send(BINARY, binary(10), { mask: false });
  const received = await ws.next();
  checkEqual('Close', [received.opcode, received.payload.readUInt16BE(0)], [CLOSE, 1002]);
  await ws.ends();
});

check('a reset inside a frame leaves the others unharmed', async () => {
  const [other, ws] = [await open(), await open()];
  ws.stream.write(frame(TEXT, Buffer.from(text(1000))).subarray(0, 500));
  await other.echo(BINARY, binary(100));
  ws.stream.close(http2.constants.NGHTTP2_CANCEL);
  await other.echo(BINARY, binary(100_000));
  await other.close();
});

async function checkStalled() {
  const [other, stalled] = [await open(), await open()];
  stalled.stream.pause();
  for (let n = 0; n < 100; n++) stalled.send(BINARY, binary(16_384));
  for (let n = 0; n < 20; n++) await other.echo(BINARY, binary(16_384));
  await other.close();
  stalled.stream.close(http2.constants.NGHTTP2_CANCEL);
}

const STALLED = 'a WebSocket that is not read leaves the others unharmed';
const stalls = {
  // See docs/EMBEDDING.md, "Windows". The others go on only if they are faster.
  axum: '`axum::serve` has one window for a stream and for all of them together',
  // Node.js waits for ever here, and not with HAProxy before HTTP/1.1, nor with nghttpx before HTTP/2.
  'haproxy-http2': 'HAProxy 2.6 stops all streams of its HTTP/2 connection to the server',
};
const reason = stalls[server] ?? stalls[proxy];
if (reason) console.log(`skipped - ${STALLED}: ${reason}`);
else check(STALLED, checkStalled);

run();
