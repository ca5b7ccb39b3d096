// A server of the `ws` library for our client: the same as server.py.
'use strict';

const http = require('node:http');
const { WebSocketServer } = require('ws');

const PATIENCE = 10_000; // milliseconds
const SUBPROTOCOLS = ['chat.v2', 'chat.v1']; // in the order of our preference
const REFUSALS = {
  401: ['who is it?\n', { 'WWW-Authenticate': 'Basic realm="interop"' }],
  403: ['kein Zutritt für dich\n', { 'X-Reason': 'none' }],
  302: ['not here\n', { Location: '/echo/elsewhere' }],
};

const endings = new Map();

// Whoever comes first, the end or the question how it was, makes the promise.
function ending(id) {
  if (!endings.has(id)) {
    const ending = {};
    ending.known = new Promise((resolve) => (ending.resolve = resolve));
    endings.set(id, ending);
  }
  return endings.get(id);
}

function path(request) {
  const [, what, argument] = request.url.split('/');
  return [what, argument];
}

const commands = {
  ping(ws, payload) {
    const timer = setTimeout(() => ws.terminate(), PATIENCE);
    ws.once('pong', (answer) => {
      clearTimeout(timer);
      ws.send(`pong ${answer}`);
    });
    ws.ping(payload);
  },
  fragments(ws) {
    // The euro sign is cut.
    const cut = Buffer.from('three € in fragments');
    ws.send(cut.subarray(0, 7), { binary: false, fin: false });
    ws.ping('between');
    ws.send(cut.subarray(7, 12), { binary: false, fin: false });
    ws.send(cut.subarray(12), { binary: false, fin: true });
  },
  binary(ws, size) {
    ws.send(Buffer.alloc(Number(size)));
  },
  invalid(ws) {
    ws.send(Buffer.from('café', 'latin1'), { binary: false });
  },
  close(ws, argument) {
    const [, code, reason] = /^(\d+) (.*)$/s.exec(argument) ?? [];
    if (code) ws.close(Number(code), reason);
    else ws.close();
  },
  drop(ws) {
    ws.terminate();
  },
  ended(ws, id) {
    ending(id).known.then((how) => ws.send(how));
  },
};

function refuse({ req }, done) {
  const [what, status] = path(req);
  if (what !== 'refuse') return done(true);
  const [body, headers] = REFUSALS[status];
  return done(false, Number(status), body, { 'Content-Length': Buffer.byteLength(body), ...headers });
}

const OPTIONS = {
  noServer: true,
  verifyClient: refuse,
  handleProtocols: (offered) => SUBPROTOCOLS.find((name) => offered.has(name)) ?? false,
  perMessageDeflate: false,
  maxPayload: 2 << 20,
  closeTimeout: PATIENCE,
};

const plain = new WebSocketServer(OPTIONS);

// The library has one setting for all connections of a server. What is false, it refuses.
function deflating(settings) {
  const [noTakeover, serverBits, clientBits] = settings.split(',');
  const perMessageDeflate = {
    serverNoContextTakeover: noTakeover.includes('server') || undefined,
    clientNoContextTakeover: noTakeover.includes('client') || undefined,
    serverMaxWindowBits: Number(serverBits) || undefined,
    clientMaxWindowBits: Number(clientBits) || undefined,
    threshold: 0,
  };
  return new WebSocketServer({ ...OPTIONS, perMessageDeflate });
}

function agreed(ws) {
  const deflate = ws._extensions['permessage-deflate'];
  if (!deflate) return 'nothing';
  const got = deflate.params;
  const noTakeover = ['server', 'client'].filter((side) => got[`${side}_no_context_takeover`]);
  return [noTakeover.join('+') || '-', got.server_max_window_bits ?? 15, got.client_max_window_bits ?? 15].join();
}

function connected(ws, request) {
  const [what, id] = path(request);
  if (what === 'deflate') ws.send(agreed(ws));
  ws.on('message', (data, isBinary) => {
    if (what !== 'script') return ws.send(data, { binary: isBinary });
    const [, command, argument] = /^(\S+) ?(.*)$/s.exec(data);
    if (!(command in commands)) return ws.close(1008, `no such command: ${command}`);
    return commands[command](ws, argument);
  });
  ws.on('error', (error) => console.error(`${request.url}: ${error.message}`));
  ws.on('close', (code, reason) => ending(id).resolve(`${code === 1006 ? 'unclean' : 'clean'} ${code} ${reason}`));
}

const server = http.createServer();
server.on('upgrade', (request, socket, head) => {
  if (request.url !== '/refuse/chunked') {
    const [what, argument] = path(request);
    const wss = what === 'deflate' ? deflating(argument) : plain;
    return wss.handleUpgrade(request, socket, head, connected);
  }
  // Not of `ws` but of Node itself: what a server says that has no WebSocket there.
  const response = new http.ServerResponse(request);
  response.assignSocket(socket);
  response.writeHead(503);
  response.write('in two');
  response.end(' pieces\n');
  return response.on('finish', () => socket.end());
});
server.listen(0, '127.0.0.1', () => {
  console.log(`listening on ws://127.0.0.1:${server.address().port}/`);
});
