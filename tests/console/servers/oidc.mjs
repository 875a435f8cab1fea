// An identity provider for tests: oidc-provider, with a layer in front that can inject faults.
//
//     oidc.mjs NODE_MODULES
//
// Its first line of output is PORT=…; its issuer is http://127.0.0.1:PORT. It accepts any client id with the secret
// "a secret", any redirect URI, and requires PKCE. The sign-in page accepts any name; a name that is an address becomes a
// verified e-mail address. The process ends when its standard input is closed.
//
// POST /control takes JSON, which replaces the previous settings:
//   fault       one of those below, or null
//   people      { name: { sub, email, email_verified, name, groups } }: claims that differ from the defaults for a name
//   client      additional metadata of the client, such as backchannel_logout_uri
// POST /logout-token takes { sub, sid, aud, fault } and answers with a signed logout token.
//
// Faults of the ID token: issuer audience other-audience azp nonce no-nonce expired future not-yet signature none hs256
//   unknown-key no-email unverified-email other-domain no-subject. Key rotation, which is no fault: rotated.
// Faults of the flow: state (another one is returned), response-issuer, denied, discovery-issuer, discovery-html,
//   slow-discovery, failing-discovery, slow-token, failing-token, failing-keys, no-id-token.
// Faults of the logout token: events nonce expired no-jti audience signature no-subject.
import { createHmac, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

// Standard output carries the port only.
console.info = console.log = console.error
const load = (path) => import(pathToFileURL(join(process.argv[2], path)))
const { Provider } = await load('oidc-provider/lib/index.js')
const { default: Memory } = await load('oidc-provider/lib/adapters/memory_adapter.js')
const jose = await load('jose/dist/webapi/index.js')

const server = createServer()
await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
const issuer = `http://127.0.0.1:${server.address().port}`

const SECRET = 'a secret'
let settings = {}

const newKey = async (alg, kid) => {
  const { privateKey } = await jose.generateKeyPair(alg, { extractable: true })
  return { ...(await jose.exportJWK(privateKey)), kid, alg, use: 'sig' }
}
const own = [await newKey('RS256', 'first'), await newKey('ES256', 'curve')]
const rotated = await newKey('RS256', 'rotated')
const stranger = await newKey('RS256', 'first')
const publicPart = ({ d, p, q, dp, dq, qi, ...rest }) => rest

const person = (name) => ({ sub: name, email: name, email_verified: true, name: name.split('@')[0], ...settings.people?.[name] })
const bySubject = (sub) => Object.keys(settings.people ?? {}).map(person).find((user) => user.sub === sub) ?? person(sub)

class Adapter extends Memory {
  constructor(model) {
    super(model)
    this.isClients = model === 'Client'
  }
  async find(id) {
    if (!this.isClients) return super.find(id)
    const fixed = { client_id: id, client_secret: SECRET, redirect_uris: ['http://127.0.0.1/sso/callback'] }
    return { ...fixed, grant_types: ['authorization_code'], response_types: ['code'], ...settings.client }
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
  // The default fetch refuses loopback addresses.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  findAccount: (ctx, sub) => ({ accountId: sub, claims: () => bySubject(sub) }),
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
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
  issuer: (claims) => ({ ...claims, iss: 'https://elsewhere.test' }),
  audience: (claims) => ({ ...claims, aud: 'somebody-else' }),
  'other-audience': (claims) => ({ ...claims, aud: [claims.aud, 'somebody-else'], azp: undefined }),
  azp: (claims) => ({ ...claims, azp: 'somebody-else' }),
  nonce: (claims) => ({ ...claims, nonce: 'another' }),
  'no-nonce': ({ nonce, ...rest }) => rest,
  expired: (claims) => ({ ...claims, iat: now() - 7200, exp: now() - 3600 }),
  future: (claims) => ({ ...claims, iat: now() + 3600, exp: now() + 7200 }),
  'not-yet': (claims) => ({ ...claims, nbf: now() + 3600 }),
  'no-email': ({ email, email_verified, ...rest }) => rest,
  'unverified-email': (claims) => ({ ...claims, email_verified: false }),
  'other-domain': (claims) => ({ ...claims, email: 'ada@elsewhere.test' }),
  'no-subject': ({ sub, ...rest }) => rest,
}
const forge = async (token) => {
  const claims = CLAIMS[settings.fault]?.(jose.decodeJwt(token)) ?? jose.decodeJwt(token)
  const text = `.${plain(claims)}`
  switch (settings.fault) {
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

// Changes a response of the provider.
const rewrite = async (path, response, sent) => {
  const to = response.getHeader('location')
  if (to && new URL(to, issuer).searchParams.has('code')) {
    const target = new URL(to)
    const { searchParams: answer } = target
    if (settings.fault === 'state') answer.set('state', 'another')
    if (settings.fault === 'response-issuer') answer.set('iss', 'https://elsewhere.test')
    if (settings.fault === 'denied') {
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
      settings.fault === 'no-id-token' ? rest : { ...rest, id_token: await forge(id_token) })
  }
  if (path === '/jwks' && settings.fault === 'rotated') return change(() => ({ keys: [publicPart(rotated)] }))
  if (path === '/.well-known/openid-configuration' && settings.fault === 'discovery-issuer') {
    return change((document) => ({ ...document, issuer: 'https://elsewhere.test' }))
  }
  return sent
}

const PLACES = { discovery: '/.well-known/openid-configuration', token: '/token', keys: '/jwks' }
const isAt = (kind, path) => settings.fault?.startsWith(`${kind}-`) && PLACES[settings.fault.slice(kind.length + 1)] === path

server.on('request', async (request, response) => {
  const path = request.url.split('?')[0]
  if (path === '/control') {
    settings = JSON.parse(await body(request))
    return response.end()
  }
  if (path === '/logout-token') return response.end(await logoutToken(JSON.parse(await body(request))))
  if (path.startsWith('/interaction/')) return signIn(request, response)
  // Longer than any client waits.
  if (isAt('slow', path)) return setTimeout(() => response.end(), 30_000).unref()
  if (isAt('failing', path)) return response.writeHead(503).end('<h1>Out of service</h1>')
  if (settings.fault === 'discovery-html' && path === PLACES.discovery) return response.end('<h1>It works!</h1>')
  const end = response.end.bind(response)
  response.end = (sent) => {
    rewrite(path, response, sent).then((changed) => {
      if (changed !== sent) response.setHeader('content-length', Buffer.byteLength(changed))
      end(changed)
    })
    return response
  }
  return provider.callback()(request, response)
})

process.stdout.write(`PORT=${server.address().port}\n`)
process.stdin.resume().on('end', () => process.exit(0))
