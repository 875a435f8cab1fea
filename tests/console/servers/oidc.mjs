// An identity provider for tests: oidc-provider, and in front of it the faults of others.
//
//     oidc.mjs NODE_MODULES
//
// Its first line says PORT=…; its issuer is http://127.0.0.1:PORT. Any client id is a client, with the secret "a secret", any
// redirect address, and PKCE. The sign-in page takes any name: an address is somebody's verified e-mail. It ends when its
// standard input does.
//
// POST /control takes JSON, which replaces what was said before:
//   fault       one of those below, or null
//   people      { name: { sub, email, email_verified, name, groups } } for who is not what their name says
//   client      more of the client's metadata, such as backchannel_logout_uri
// POST /logout-token takes { sub, sid, aud, fault } and answers with a signed logout token.
//
// Faults of the ID token: issuer audience other-audience azp nonce no-nonce expired future not-yet signature none hs256
//   unknown-key no-email unverified-email other-domain no-subject. New keys, which are no fault: rotated.
// Faults on the way: state (another one comes back), response-issuer, denied, discovery-issuer, discovery-html,
//   slow-discovery, failing-discovery, slow-token, failing-token, failing-keys, no-id-token.
// Faults of the logout token: events nonce expired no-jti audience signature no-subject.
import { createHmac, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

// Standard output is for the port alone.
console.info = console.log = console.error
const load = (path) => import(pathToFileURL(join(process.argv[2], path)))
const { Provider } = await load('oidc-provider/lib/index.js')
const { default: Memory } = await load('oidc-provider/lib/adapters/memory_adapter.js')
const jose = await load('jose/dist/webapi/index.js')

const server = createServer()
await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
const issuer = `http://127.0.0.1:${server.address().port}`

const SECRET = 'a secret'
let said = {}

const newKey = async (alg, kid) => {
  const { privateKey } = await jose.generateKeyPair(alg, { extractable: true })
  return { ...(await jose.exportJWK(privateKey)), kid, alg, use: 'sig' }
}
const own = [await newKey('RS256', 'first'), await newKey('ES256', 'curve')]
const rotated = await newKey('RS256', 'rotated')
const stranger = await newKey('RS256', 'first')
const publicPart = ({ d, p, q, dp, dq, qi, ...rest }) => rest

const person = (name) => ({ sub: name, email: name, email_verified: true, name: name.split('@')[0], ...said.people?.[name] })
const bySubject = (sub) => Object.keys(said.people ?? {}).map(person).find((it) => it.sub === sub) ?? person(sub)

class Adapter extends Memory {
  constructor(model) {
    super(model)
    this.isClients = model === 'Client'
  }
  async find(id) {
    if (!this.isClients) return super.find(id)
    const fixed = { client_id: id, client_secret: SECRET, redirect_uris: ['http://127.0.0.1/sso/callback'] }
    return { ...fixed, grant_types: ['authorization_code'], response_types: ['code'], ...said.client }
  }
}

const provider = new Provider(issuer, {
  adapter: Adapter,
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
  scopes: ['openid', 'email', 'profile', 'groups'],
  conformIdTokenClaims: false,
  clientDefaults: { backchannel_logout_session_required: true },
  cookies: { keys: ['a key for cookies'] },
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256'] },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => {
        ctx.body = page('Sign out', `${form}<button form="op.logoutForm" name="logout" value="yes">Sign out</button>`)
      },
    },
  },
  // It would not ask addresses of this machine.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  findAccount: (ctx, sub) => ({ accountId: sub, claims: () => bySubject(sub) }),
  interactions: { url: (ctx, it) => `/interaction/${it.uid}` },
  jwks: { keys: own },
  pkce: { required: () => true },
  loadExistingGrant: async (ctx) => {
    const { client, session } = ctx.oidc
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId })
    grant.addOIDCScope('openid email profile groups')
    await grant.save()
    return grant
  },
})
provider.Client.prototype.redirectUriAllowed = () => true
provider.Client.prototype.postLogoutRedirectUriAllowed = () => true

const page = (title, body) => `<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1>${body}</html>`
const FORM = '<form method="post"><label>Name <input name="login" autofocus></label><button>Sign in</button></form>'
const signIn = async (request, response) => {
  if (request.method === 'GET') return response.setHeader('content-type', 'text/html').end(page('Acme Identity', FORM))
  const login = new URLSearchParams(await body(request)).get('login')
  const result = { login: { accountId: person(login).sub } }
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false })
}

const body = async (request) => {
  const parts = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts).toString()
}

const now = () => Math.floor(Date.now() / 1000)
const plain = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const sign = async (claims, key, typ = 'JWT') =>
  new jose.SignJWT(claims).setProtectedHeader({ alg: key.alg, kid: key.kid, typ }).sign(await jose.importJWK(key, key.alg))

const CLAIMS = {
  issuer: (it) => ({ ...it, iss: 'https://elsewhere.test' }),
  audience: (it) => ({ ...it, aud: 'somebody-else' }),
  'other-audience': (it) => ({ ...it, aud: [it.aud, 'somebody-else'], azp: undefined }),
  azp: (it) => ({ ...it, azp: 'somebody-else' }),
  nonce: (it) => ({ ...it, nonce: 'another' }),
  'no-nonce': ({ nonce, ...rest }) => rest,
  expired: (it) => ({ ...it, iat: now() - 7200, exp: now() - 3600 }),
  future: (it) => ({ ...it, iat: now() + 3600, exp: now() + 7200 }),
  'not-yet': (it) => ({ ...it, nbf: now() + 3600 }),
  'no-email': ({ email, email_verified, ...rest }) => rest,
  'unverified-email': (it) => ({ ...it, email_verified: false }),
  'other-domain': (it) => ({ ...it, email: 'ada@elsewhere.test' }),
  'no-subject': ({ sub, ...rest }) => rest,
}
const forge = async (token) => {
  const claims = CLAIMS[said.fault]?.(jose.decodeJwt(token)) ?? jose.decodeJwt(token)
  const text = `.${plain(claims)}`
  switch (said.fault) {
    case 'signature': return sign(claims, stranger)
    case 'unknown-key': return sign(claims, { ...stranger, kid: 'unknown' })
    case 'rotated': return sign(claims, rotated)
    case 'none': return `${plain({ alg: 'none' })}${text}.`
    case 'hs256': {
      const head = plain({ alg: 'HS256', kid: 'first' })
      const key = JSON.stringify(publicPart(own[0]))
      return `${head}${text}.${createHmac('sha256', key).update(head + text).digest('base64url')}`
    }
    default: return sign(claims, own[0])
  }
}

const logoutToken = async ({ sub, sid, aud, fault }) => {
  const claims = { iss: issuer, aud, sub, sid, jti: randomUUID(), iat: now(), exp: now() + 120 }
  claims.events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
  if (fault === 'events') delete claims.events
  if (fault === 'nonce') claims.nonce = 'x'
  if (fault === 'expired') Object.assign(claims, { iat: now() - 7200, exp: now() - 3600 })
  if (fault === 'no-jti') delete claims.jti
  if (fault === 'audience') claims.aud = 'somebody-else'
  if (fault === 'no-subject') claims.sub = claims.sid = undefined
  return sign(claims, fault === 'signature' ? stranger : own[0], 'logout+jwt')
}

// What leaves the provider, changed on its way.
const rewrite = async (path, response, sent) => {
  const to = response.getHeader('location')
  if (to && new URL(to, issuer).searchParams.has('code')) {
    const target = new URL(to)
    const { searchParams: answer } = target
    if (said.fault === 'state') answer.set('state', 'another')
    if (said.fault === 'response-issuer') answer.set('iss', 'https://elsewhere.test')
    if (said.fault === 'denied') {
      answer.delete('code')
      answer.set('error', 'access_denied')
      answer.set('error_description', 'The application is not assigned to you.')
    }
    response.setHeader('location', target.href)
  }
  if (!sent || response.statusCode !== 200) return sent
  const change = async (by) => JSON.stringify(await by(JSON.parse(sent)))
  if (path === '/token') {
    return change(async ({ id_token, ...rest }) =>
      said.fault === 'no-id-token' ? rest : { ...rest, id_token: await forge(id_token) })
  }
  if (path === '/jwks' && said.fault === 'rotated') return change(() => ({ keys: [publicPart(rotated)] }))
  if (path === '/.well-known/openid-configuration' && said.fault === 'discovery-issuer') {
    return change((it) => ({ ...it, issuer: 'https://elsewhere.test' }))
  }
  return sent
}

const PLACES = { discovery: '/.well-known/openid-configuration', token: '/token', keys: '/jwks' }
const isAt = (kind, path) => said.fault?.startsWith(`${kind}-`) && PLACES[said.fault.slice(kind.length + 1)] === path

server.on('request', async (request, response) => {
  const path = request.url.split('?')[0]
  if (path === '/control') {
    said = JSON.parse(await body(request))
    return response.end()
  }
  if (path === '/logout-token') return response.end(await logoutToken(JSON.parse(await body(request))))
  if (path.startsWith('/interaction/')) return signIn(request, response)
  // Longer than anybody waits.
  if (isAt('slow', path)) return setTimeout(() => response.end(), 30_000).unref()
  if (isAt('failing', path)) return response.writeHead(503).end('<h1>Out of service</h1>')
  if (said.fault === 'discovery-html' && path === PLACES.discovery) return response.end('<h1>It works!</h1>')
  const end = response.end.bind(response)
  response.end = (sent) => {
    rewrite(path, response, sent).then((it) => {
      if (it !== sent) response.setHeader('content-length', Buffer.byteLength(it))
      end(it)
    })
    return response
  }
  return provider.callback()(request, response)
})

process.stdout.write(`PORT=${server.address().port}\n`)
process.stdin.resume().on('end', () => process.exit(0))
