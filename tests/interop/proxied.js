// A client with the `ws` library, through the proxy of examples/applications, against server.py or
// server.js (see run): proxied.js URL
//
// Each connection has a path of its own, by which tap.py finds it on the other side of the proxy,
// with `interrupted` in it if it may end without a closing handshake.
'use strict';

const { CLOSES, REFUSALS, UNICODE } = require('./harness');
const { Connection, binary, check, checkEqual, newId, refusal, run, text } = require('./harness');
const { exchangeMessages, negotiated, openDeflate, params } = require('./harness');

const [URL] = process.argv.slice(2);
const WAYS = ['not compressed', 'compressed'];
// The size of a message that the servers refuse.
const TOO_LARGE = (2 << 20) + 1;

const scripted = (options) => Connection.open(`${URL}script/${newId()}`, options);

// Opens a connection to an echo, and checks that both ends have negotiated the same parameters.
async function openEcho(way) {
  if (way === 'not compressed') {
    const connection = await Connection.open(`${URL}echo/${newId()}`);
    checkEqual('extensions', connection.ws.extensions, '');
    return connection;
  }
  const connection = await openDeflate(`${URL}deflate/-,-,-/${newId()}`);
  await connection.receives(negotiated(connection));
  return connection;
}

async function checkEnding(id, expected) {
  const connection = await scripted();
  connection.send(`ended ${id}`);
  checkEqual('the ending at the server', await connection.next(), { text: expected });
  await connection.closeCleanly();
}

// Adds a check of an echo for each way.
const checkEcho = (name, exchange) =>
  check(
    `${name}, {}`,
    async (way) => {
      const connection = await openEcho(way);
      await exchange(connection);
      await connection.closeCleanly();
    },
    WAYS,
  );

checkEcho('text and binary', async (connection) => {
  for (const message of ['hello', UNICODE, '', binary(256), Buffer.alloc(0), 'the end']) await connection.echoes(message);
});

checkEcho('sizes around those of the headers', async (connection) => {
  const sizes = [125, 126, 127, 65535, 65536];
  for (const message of [...sizes.map(binary), ...sizes.map(text)]) await connection.echoes(message);
});

checkEcho('1 MiB of text and of binary', async (connection) => {
  for (const message of [text(1 << 20), binary(1 << 20)]) await connection.echoes(message);
});

checkEcho('fragments with a Ping between', async (connection) => {
  const whole = Buffer.from('ein € in Stücken, und eines davon leer');
  for (const isBinary of [false, true]) {
    // The euro sign is divided between two fragments.
    connection.send(whole.subarray(0, 5), { binary: isBinary, fin: false });
    connection.ws.ping('between');
    connection.send(Buffer.alloc(0), { binary: isBinary, fin: false });
    // The server answers before it has the rest of the message.
    checkEqual('the Pong', await connection.next(), { pong: 'between' });
    connection.send(whole.subarray(5), { binary: isBinary, fin: true });
    await connection.receives(isBinary ? whole : whole.toString());
  }
});

checkEcho('Pings by the client', async (connection) => {
  for (const payload of ['are you there', '', '\xff'.repeat(125)]) {
    connection.ws.ping(Buffer.from(payload, 'latin1'));
    checkEqual('the Pong', await connection.next(), { pong: payload });
  }
});

checkEcho('200 messages of 100 kB without waiting', async (connection) => {
  // The messages exceed the buffers, so both directions must work at the same time.
  const data = binary(100_000);
  for (let n = 0; n < 200; n += 1) connection.send(Buffer.concat([data, Buffer.from([n])]));
  for (let n = 0; n < 200; n += 1) await connection.receives(Buffer.concat([data, Buffer.from([n])]));
});

check('fragments from the server with a Ping between', async () => {
  const connection = await scripted();
  connection.send('fragments');
  // The Ping arrives first, so it was sent between fragments.
  checkEqual('first', await connection.next(), { ping: 'between' });
  checkEqual('second', await connection.next(), { text: 'three € in fragments' });
  await connection.closeCleanly();
});

check('Pings by the server', async () => {
  const connection = await scripted();
  for (const payload of ['are you there', 'x', 'ab'.repeat(62)]) {
    connection.send(`ping ${payload}`);
    checkEqual('first', await connection.next(), { ping: payload });
    // The server confirms the Pong of the client.
    checkEqual('second', await connection.next(), { text: `pong ${payload}` });
  }
  await connection.closeCleanly();
});

// The settings of the server, the offer, and the negotiated parameters.
for (const [settings, offer, expected] of [
  [[[], undefined, undefined], [[], undefined, undefined], [[], 15, undefined]],
  [[[], 10, 11], [[], 12, 13], [[], 10, 11]],
  [[['server'], undefined, undefined], [[], 15, 15], [['server'], 15, 15]],
  [[[], undefined, undefined], [['server', 'client'], 9, 9], [['server', 'client'], 9, 9]],
]) {
  check(`compressed: ${params(settings)} and the offer ${params(offer)}`, async () => {
    const connection = await openDeflate(`${URL}deflate/${params(settings)}/${newId()}`, offer);
    const parameters = negotiated(connection);
    const [noTakeover, serverBits, clientBits] = expected;
    const isExpected = [noTakeover.join('+') || '-', serverBits, clientBits].every(
      (value, n) => value === undefined || `${value}` === parameters.split(',')[n],
    );
    checkEqual(`negotiated as expected: ${parameters}`, isExpected, true);
    checkEqual('at the server', await connection.next(), { text: parameters });
    await exchangeMessages(connection);
  });
}

check('compression offered, and not negotiated', async () => {
  const connection = await Connection.open(`${URL}echo/${newId()}`, { perMessageDeflate: { threshold: 0 } });
  checkEqual('extensions', connection.ws.extensions, '');
  await connection.echoes('a'.repeat(1000));
  await connection.closeCleanly();
});

check('subprotocols', async () => {
  for (const [protocols, chosen] of [[['other', 'chat.v1', 'chat.v2'], 'chat.v2'], [['chat.v1'], 'chat.v1'], [[], '']]) {
    const connection = await Connection.open(`${URL}echo/${newId()}`, { protocols });
    checkEqual('chosen', connection.ws.protocol, chosen);
    await connection.closeCleanly();
  }
});

check(
  'refused with {}',
  async (status) => {
    const [header, value, expected] = REFUSALS[status];
    const { status: received, headers, body } = await refusal(`${URL}refuse/${status}`);
    checkEqual('status', received, status);
    checkEqual(header, headers[header], value);
    checkEqual('body', body, expected);
  },
  [401, 403, 302],
);

check(
  'close by the client: {}',
  async (which) => {
    const [code, reason] = CLOSES[which];
    const seen = code ?? 1005;
    const id = newId();
    const connection = await Connection.open(`${URL}echo/${id}`);
    await connection.echoes('before');
    if (code) connection.ws.close(code, reason);
    else connection.ws.close();
    // The server repeats the code and the reason.
    checkEqual('received', await connection.next(), { code: seen, reason });
    await checkEnding(id, `clean ${seen} ${reason}`);
  },
  Object.keys(CLOSES),
);

check(
  'close by the server: {}',
  async (which) => {
    const [code, reason] = CLOSES[which];
    const seen = code ?? 1005;
    const id = newId();
    const connection = await Connection.open(`${URL}script/${id}`);
    connection.send(code ? `close ${code} ${reason}` : 'close');
    checkEqual('received', await connection.next(), { code: seen, reason });
    await checkEnding(id, `clean ${seen} ${reason}`);
  },
  Object.keys(CLOSES),
);

check('dropped by the client: 1001 for the server', async () => {
  const id = `interrupted-${newId()}`;
  const connection = await Connection.open(`${URL}echo/${id}`);
  connection.ws.terminate();
  await checkEnding(id, 'clean 1001 ');
});

check('dropped by the server: 1014 for the client', async () => {
  const connection = await Connection.open(`${URL}script/interrupted-${newId()}`);
  connection.send('drop');
  checkEqual('closed with', await connection.next(), { code: 1014, reason: '' });
});

check('invalid UTF-8 of the client: 1007 of the server', async () => {
  const connection = await Connection.open(`${URL}echo/interrupted-${newId()}`);
  connection.send(Buffer.from('caf\xe9', 'latin1'), { binary: false });
  const { code } = await connection.next();
  checkEqual('closed with', code, 1007);
});

check('a message over the limit of the server: 1009', async () => {
  const connection = await Connection.open(`${URL}echo/interrupted-${newId()}`);
  connection.send(binary(TOO_LARGE));
  const { code } = await connection.next();
  checkEqual('closed with', code, 1009);
});

check('a message over the limit of the client: 1009', async () => {
  const id = `interrupted-${newId()}`;
  const connection = await Connection.open(`${URL}echo/${id}`, { maxPayload: 1000 });
  connection.send(binary(1001));
  checkEqual('error of the client', await connection.next(), { error: 'Max payload size exceeded' });
  await checkEnding(id, 'clean 1009 ');
});

run();
