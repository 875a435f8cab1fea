//! What many calls share: the introduction, parameters, headers, security, the problem document.
use serde_json::{Value, json};

/// The introduction.
pub const ABOUT: &str = "\
The API of an organization console: accounts, members, roles, invitations, resources, API keys, usage and bills.

**Keys.** Send `Authorization: Bearer` with an API key. It acts as its member in its one account, and never does more than that \
member may at that moment. The platform's own back end sends a service token instead.

**Errors** are problem documents (RFC 9457, `application/problem+json`) with a stable `code`; `type` leads to what it means. A \
field that is not known is refused, never ignored.

**Lists** come page by page: `limit` says how many, `after` where to begin; `next` in the body is the cursor for the next page, \
and `Link` its address.

**Idempotency.** Send an `Idempotency-Key` with a change, and it is executed once, however often you send it: for 24 hours \
the first answer is given again. A second request while the first is being done gets 409, the same key with another request 422.

**Two at once.** What two people edit has an `ETag`. Send it back as `If-Match`, and a change meant for another version is \
refused with 412.

**Values.** Times are RFC 3339 in UTC. Ids are opaque. An absent value is `null`, never missing. Amounts are in minor units, \
quantities decimals in strings.";

/// Parameters of many calls.
pub fn parameters() -> Value {
    json!({
        "limit": {
            "name": "limit", "in": "query", "description": "How many items a page has.",
            "schema": { "type": "integer", "minimum": 1, "maximum": 200, "default": 50 },
        },
        "after": {
            "name": "after", "in": "query",
            "description": "Where the page begins: what `next` said. Without it, the first page.",
            "schema": { "type": "string", "minLength": 1, "pattern": super::NO_NUL },
        },
        "IdempotencyKey": {
            "name": "Idempotency-Key", "in": "header",
            "description": "A word of your own for this act, best a random UUID: 1 to 255 visible ASCII characters. Sent again \
                within 24 hours, the act is not done again and the first answer is given again, with `Idempotency-Replayed: true`. \
                It holds for the API key that sent it.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        },
        "IfMatch": {
            "name": "If-Match", "in": "header",
            "description": "The `ETag` of the version that the change is meant for. If it is another by now: 412.",
            "schema": { "type": "string" },
        },
    })
}

/// Headers of many answers.
pub fn headers() -> Value {
    let text = |description: &str, example: &str| json!({ "description": description, "schema": { "type": "string" }, "example": example });
    json!({
        "ETag": text("The version, for `If-Match`.", "\"5c0f1b6e2a9d4f37\""),
        "Link": text("The address of the next page, if there is one.",
            "<https://console.example.com/api/v1/accounts/acme/members?limit=50&after=…>; rel=\"next\""),
        "Location": text("The same address with the account's slug of today.", "/api/v1/accounts/acme-studios"),
        "RateLimit": text("What is left of the account's requests, and in how many seconds the window moves on.",
            "\"minute\";r=1199;t=60"),
        "RateLimit-Policy": text("How many requests the account has, and in which window.", "\"minute\";q=1200;w=60"),
        "Idempotency-Replayed": text("`true` if this is the stored answer to an earlier request.", "true"),
        "Retry-After": {
            "description": "After how many seconds to ask again.",
            "schema": { "type": "integer", "minimum": 1 }, "example": 5,
        },
    })
}

/// How a caller proves who it is.
pub fn security() -> Value {
    json!({
        "memberKey": {
            "type": "http", "scheme": "bearer", "bearerFormat": "gh_key_…",
            "description": "An API key of a member, made in the console or by `POST /api/v1/accounts/{slug}/keys`.",
        },
        "serviceToken": {
            "type": "http", "scheme": "bearer", "bearerFormat": "gh_svc_…",
            "description": "A service token of the platform's own back end, made by the operator.",
        },
    })
}

/// The problem document.
pub fn problem() -> Value {
    json!({
        "description": "What went wrong (RFC 9457).",
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": { "type": "string", "format": "uri-reference", "description": "Leads to what the code means." },
            "title": { "type": "string", "description": "The kind of problem, in a few words." },
            "status": { "type": "integer", "description": "HTTP's number again." },
            "code": { "type": "string", "description": "Stable, for programs." },
            "detail": { "type": "string", "description": "What happened, why, and what to do: for people." },
            "errors": {
                "type": "array", "description": "The fields that need another look.",
                "items": {
                    "type": "object",
                    "required": ["pointer", "code", "detail"],
                    "properties": {
                        "pointer": { "type": "string", "description": "A JSON pointer into the body, or `/` and a parameter's name.",
                            "example": "/name" },
                        "code": { "type": "string", "description": "Stable, for programs.", "example": "required" },
                        "detail": { "type": "string", "description": "A sentence.", "example": "Enter a name." },
                    },
                },
            },
            "permission": { "type": "string", "description": "The permission that is missing.", "example": "members.view" },
        },
    })
}
