// A client with the `ws` library, through the proxy of examples/applications, against server.py or
// server.js (see run): proxied.js URL
//
// Each connection has a path of its own, by which tap.py finds it on the other side of the proxy,
// with `interrupted` in it if it may end without a closing handshake.
'use strict';

const { CLOSES, UNICODE } = require('./harness');
const { Connection, binary, check, checkEqual, newId, run, text } = require('./harness');
const { exchangeMessages, negotiated, openDeflate, params } = require('./harness');
const { checkBothDirections, checkCloseByServer, checkDropByClient, checkEnding, checkFragments } = require('./harness');
const { checkFragmentsOfServer, checkLimit, checkPings, checkPingsOfServer, checkRefusal, withConnection } = require('./harness');

const [URL] = process.argv.slice(2);
const WAYS = ['not compressed', 'compressed'];
// The size of a message that the servers refuse.
const TOO_LARGE = (2 << 20) + 1;

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

const scripted = (exchange) => withConnection(`${URL}script/${newId()}`, exchange);

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
  for (const isBinary of [false, true]) await checkFragments(connection, isBinary);
});

checkEcho('Pings by the client', checkPings);

checkEcho('200 messages of 100 kB without waiting', checkBothDirections);

check('fragments from the server with a Ping between', () => scripted(checkFragmentsOfServer));

check('Pings by the server', () => scripted(checkPingsOfServer));

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

check('refused with {}', (status) => checkRefusal(`${URL}refuse/${status}`, status), [401, 403, 302]);

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
    await checkEnding(URL, id, `clean ${seen} ${reason}`);
  },
  Object.keys(CLOSES),
);

check('close by the server: {}', (which) => checkCloseByServer(URL, which, 'clean'), Object.keys(CLOSES));

check('dropped by the client: 1001 for the server', () =>
  checkDropByClient(URL, `interrupted-${newId()}`, 'clean 1001 '));

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

check('a message over the limit of the client: 1009', () => checkLimit(URL, `interrupted-${newId()}`, 'clean'));

run();
