// A server with the `ws` library for the client with `sockless`. server.py documents the paths.
'use strict';

const http = require('node:http');
const { WebSocketServer } = require('ws');

const TIMEOUT = 10_000; // milliseconds
const SUBPROTOCOLS = ['chat.v2', 'chat.v1']; // in the order of preference
const REFUSALS = {
  401: ['authentication required\n', { 'WWW-Authenticate': 'Basic realm="interop"' }],
  403: ['kein Zutritt für dich\n', { 'X-Reason': 'none' }],
  302: ['not here\n', { Location: '/echo/elsewhere' }],
};

const endings = new Map();

// The promise is created by the end of the connection or by the command `ended`, whichever is
// first.
function ending(id) {
  if (!endings.has(id)) {
    const ending = {};
    ending.known = new Promise((resolve) => (ending.resolve = resolve));
    endings.set(id, ending);
  }
  return endings.get(id);
}

function path(request) {
  const [, name, argument] = request.url.split('/');
  return [name, argument];
}

const commands = {
  ping(ws, payload) {
    const timer = setTimeout(() => ws.terminate(), TIMEOUT);
    ws.once('pong', (answer) => {
      clearTimeout(timer);
      ws.send(`pong ${answer}`);
    });
    ws.ping(payload);
  },
  fragments(ws) {
    // The euro sign is divided between two fragments.
    const text = Buffer.from('three € in fragments');
    ws.send(text.subarray(0, 7), { binary: false, fin: false });
    ws.ping('between');
    ws.send(text.subarray(7, 12), { binary: false, fin: false });
    ws.send(text.subarray(12), { binary: false, fin: true });
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
    ending(id).known.then((text) => ws.send(text));
  },
};

function refuse({ req }, done) {
  const [name, status] = path(req);
  if (name !== 'refuse') return done(true);
  const [body, headers] = REFUSALS[status];
  return done(false, Number(status), body, { 'Content-Length': Buffer.byteLength(body), ...headers });
}

const OPTIONS = {
  noServer: true,
  verifyClient: refuse,
  handleProtocols: (offered) => SUBPROTOCOLS.find((name) => offered.has(name)) ?? false,
  perMessageDeflate: false,
  maxPayload: 2 << 20,
  closeTimeout: TIMEOUT,
};

const plain = new WebSocketServer(OPTIONS);

// The library has one setting for all connections of a server. It refuses a parameter that is
// false.
function deflateServer(settings) {
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

function negotiated(ws) {
  const deflate = ws._extensions['permessage-deflate'];
  if (!deflate) return 'nothing';
  const { params } = deflate;
  const noTakeover = ['server', 'client'].filter((side) => params[`${side}_no_context_takeover`]);
  return [noTakeover.join('+') || '-', params.server_max_window_bits ?? 15, params.client_max_window_bits ?? 15].join();
}

function connected(ws, request) {
  const [name, id] = path(request);
  if (name === 'deflate') ws.send(negotiated(ws));
  ws.on('message', (data, isBinary) => {
    if (name !== 'script') return ws.send(data, { binary: isBinary });
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
    const [name, argument] = path(request);
    const wss = name === 'deflate' ? deflateServer(argument) : plain;
    return wss.handleUpgrade(request, socket, head, connected);
  }
  // The response of an HTTP server without a WebSocket at this path, sent by Node itself.
  // A proxy that has the response may reset the connection.
  socket.on('error', (error) => console.error(`${request.url}: ${error.message}`));
  const response = new http.ServerResponse(request);
  response.assignSocket(socket);
  // A proxy would send another request on the connection.
  response.shouldKeepAlive = false;
  response.writeHead(503);
  response.write('in two');
  response.end(' pieces\n');
  return response.on('finish', () => socket.end());
});
server.listen(0, '127.0.0.1', () => {
  console.log(`listening on ws://127.0.0.1:${server.address().port}/`);
});
