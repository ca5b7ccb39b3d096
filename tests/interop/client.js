// A client with the `ws` library against servers with `sockless` (see run):
// client.js ECHO STRICT SCRIPT DEFLATE LIMITED
'use strict';

const { CLOSES, NO_PARAMS, SIDES, UNICODE } = require('./harness');
const { Connection, binary, check, checkEqual, newId, refusal, run, text } = require('./harness');
const { exchangeMessages, negotiated, openDeflate, params } = require('./harness');
const { checkBothDirections, checkCloseByServer, checkDropByClient, checkEnding, checkFragments } = require('./harness');
const { checkFragmentsOfServer, checkLimit, checkPings, checkPingsOfServer, checkRefusal, withConnection } = require('./harness');

const [ECHO, STRICT, SCRIPT, DEFLATE, LIMITED] = process.argv.slice(2);
const STRICT_SIZE = 65536;
// With 17, one of 17 combinations of the parameters of compression is checked.
const EVERY = Number(process.env.EVERY ?? 1);

async function echoes(messages, url = ECHO, options = {}) {
  const connection = await Connection.open(url, options);
  for (const message of messages) await connection.echoes(message);
  await connection.closeCleanly();
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
  'fragmented {} with a Ping between',
  (kind) => withConnection(ECHO, (connection) => checkFragments(connection, kind === 'binary')),
  ['text', 'binary'],
);

check('many small fragments', async () => {
  const connection = await Connection.open(ECHO);
  for (const message of [text(300_000), binary(300_001)]) {
    const data = Buffer.from(message);
    for (let i = 0; i < data.length; i += 1000) {
      connection.send(data.subarray(i, i + 1000), { binary: message !== data.toString(), fin: i + 1000 >= data.length });
    }
    await connection.receives(message);
  }
  await connection.closeCleanly();
});

check('fragments from the server', () => echoes([text(10_000), binary(10_001)], STRICT));

check('fragments from the server with a Ping between', () =>
  withConnection(`${SCRIPT}script/${newId()}`, checkFragmentsOfServer));

check('Pings by the client', () => withConnection(ECHO, checkPings));

check('Pings by the server', () => withConnection(`${SCRIPT}script/${newId()}`, checkPingsOfServer));

check('200 messages without waiting for the echoes', async () => {
  const messages = Array.from({ length: 200 }, (_, n) => (n % 2 ? binary(n) : `${n}: ${'é'.repeat(n)}`));
  const connection = await Connection.open(ECHO);
  for (const message of messages) connection.send(message);
  for (const message of messages) await connection.receives(message);
  await connection.closeCleanly();
});

check('200 messages of 100 kB without waiting', () => withConnection(ECHO, checkBothDirections));

check("subprotocol: the server's preference", async () => {
  for (const protocols of [['chat.v1', 'chat.v2'], ['other', 'chat.v2', 'chat.v1']]) {
    const connection = await Connection.open(STRICT, { protocols });
    checkEqual('chosen', connection.ws.protocol, 'chat.v2');
    await connection.closeCleanly();
  }
  const connection = await Connection.open(STRICT, { protocols: ['chat.v1'] });
  checkEqual('chosen of one', connection.ws.protocol, 'chat.v1');
  await connection.closeCleanly();
});

check('subprotocol: none in common', async () => {
  const connection = await Connection.open(STRICT);
  checkEqual('chosen', connection.ws.protocol, '');
  await connection.closeCleanly();
  // As in browsers, the connection fails then.
  for (const [url, protocol] of [[STRICT, 'other'], [ECHO, 'chat.v1']]) {
    const other = new Connection(url, { protocols: [protocol] });
    checkEqual('error of the client', await other.next(), { error: 'Server sent no subprotocol' });
    checkEqual('status', other.response.statusCode, 101);
    checkEqual('chosen', other.response.headers['sec-websocket-protocol'], undefined);
  }
});

check('permessage-deflate offered, not negotiated', async () => {
  const connection = new Connection(ECHO, { perMessageDeflate: { threshold: 0 } });
  const offer = connection.ws._req.getHeader('Sec-WebSocket-Extensions');
  checkEqual('offered', offer.includes('permessage-deflate'), true);
  checkEqual('opened', await connection.next(), 'open');
  checkEqual('extensions', connection.ws.extensions, '');
  checkEqual('in the response', connection.response.headers['sec-websocket-extensions'], undefined);
  await connection.echoes('a'.repeat(1000));
  await connection.closeCleanly();
});

// All negotiable parameters, requested by either side: the settings of the server, the offer, and
// the negotiated parameters.
for (let flags = 0; flags < 4; flags += 1) {
  for (let server = 8; server <= 15; server += 1) {
    for (let client = 8; client <= 15; client += 1) {
      if ((64 * flags + 8 * server + client) % EVERY > 0) continue;
      const noTakeover = SIDES.filter((_, bit) => (flags >> bit) & 1);
      const requested = [noTakeover, server, client];
      const larger = [noTakeover, Math.min(server + 1, 15), Math.min(client + 1, 15)];
      const [by, settings, offer, expected] = [
        ['the client', NO_PARAMS, requested, requested],
        // The server uses a smaller window without a parameter in the response.
        // A window of 8 bits is announced as 9, unless the client has said 8.
        ['the server', requested, NO_PARAMS, [noTakeover, 15, Math.max(client, 9)]],
        ['both, the client with smaller windows', larger, requested, requested],
        [
          'both, the server with smaller windows',
          requested,
          larger,
          [noTakeover, Math.max(server, 9), Math.max(client, 9)],
        ],
      ][(flags + server + client) % 4];
      check(`compressed with ${params(requested)}, requested by ${by}`, async () => {
        const url = settings === NO_PARAMS ? DEFLATE : `${SCRIPT}deflate/${params(settings)}`;
        const connection = await openDeflate(url, offer);
        checkEqual('negotiated', negotiated(connection), params(expected));
        await exchangeMessages(connection);
      });
    }
  }
}

check("compressed with all the echo server's options", async () => {
  const connection = await openDeflate(LIMITED);
  checkEqual('negotiated', negotiated(connection), 'server+client,15,11');
  await exchangeMessages(connection);
  const requesting = await openDeflate(LIMITED, [[], 15, undefined]);
  checkEqual('negotiated', negotiated(requesting), 'server+client,10,11');
  await requesting.closeCleanly();
});

check('compressed without client_max_window_bits in the offer', async () => {
  const connection = await openDeflate(DEFLATE, [[], undefined, false]);
  checkEqual('negotiated', negotiated(connection), '-,15,15');
  await exchangeMessages(connection);
});

check('not compressed if the offer has no client_max_window_bits and the server demands it', async () => {
  const connection = await openDeflate(LIMITED, [[], undefined, false]);
  checkEqual('extensions', connection.ws.extensions, '');
  checkEqual('in the response', connection.response.headers['sec-websocket-extensions'], undefined);
  await connection.echoes('a'.repeat(1000));
  await connection.closeCleanly();
});

check('refused with {}', (status) => checkRefusal(`${SCRIPT}refuse/${status}`, status), [401, 403, 302]);

check('another origin refused with 403', async () => {
  const { status } = await refusal(STRICT, { origin: 'http://evil.example' });
  checkEqual('status', status, 403);
  await echoes(['from a good origin'], STRICT, { origin: 'http://good.example' });
});

check(
  'close by the client: {}',
  async (which) => {
    const [code, reason] = CLOSES[which];
    const seen = code ?? 1005;
    const id = newId();
    for (const url of [ECHO, `${SCRIPT}echo/${id}`]) {
      const connection = await Connection.open(url);
      connection.send('before');
      if (code) connection.ws.close(code, reason);
      else connection.ws.close();
      checkEqual('echoed', await connection.next(), { text: 'before' });
      // The server repeats the code without the reason.
      checkEqual('received', await connection.next(), { code: seen, reason: '' });
    }
    // Which side closed, clean or not, the code, the reason.
    await checkEnding(SCRIPT, id, `Peer clean ${seen} ${reason}`);
  },
  Object.keys(CLOSES),
);

check('close by the server: {}', (which) => checkCloseByServer(SCRIPT, which, 'Us clean'), Object.keys(CLOSES));

check('dropped by the client without a Close frame', () =>
  checkDropByClient(SCRIPT, newId(), 'Transport unclean 1006 '));

check('dropped by the server without a Close frame', async () => {
  const connection = await Connection.open(`${SCRIPT}script/${newId()}`);
  connection.send('drop');
  checkEqual('closed with', await connection.next(), { code: 1006, reason: '' });
});

check('message over the limit of sockless: 1009', async () => {
  await echoes([binary(STRICT_SIZE), text(STRICT_SIZE)], STRICT);
  const messages = [[binary(STRICT_SIZE + 1)], [binary(STRICT_SIZE), Buffer.from('1')]];
  // The server ends its side while much is on the way to it. A proxy may give up both sides then.
  if (!process.env.VIA) messages.push([binary(1 << 20)]);
  for (const pieces of messages) {
    const connection = await Connection.open(STRICT);
    for (const piece of pieces) connection.send(piece, { fin: piece === pieces.at(-1) });
    checkEqual('closed with', await connection.next(), { code: 1009, reason: '' });
  }
});

check('message over the limit of the library: 1009', () => checkLimit(SCRIPT, newId(), 'Peer clean'));

check('invalid UTF-8: 1007', async () => {
  const invalid = [['caf\xe9'], ['valid so far', '\xf0\x9f', 'then invalid'], ['cut \xe2\x82']];
  for (const pieces of invalid) {
    const connection = await Connection.open(ECHO);
    for (const [n, piece] of pieces.entries()) {
      connection.send(Buffer.from(piece, 'latin1'), { binary: false, fin: n === pieces.length - 1 });
    }
    checkEqual('closed with', await connection.next(), { code: 1007, reason: '' });
  }
});

run();
