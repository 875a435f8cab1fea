//! Every problem that the API can answer with, by its stable code: what it means, and what to do. The document and the pages at
//! `/api/docs/problems` are made from it, and a test holds it against the source.

/// One problem.
pub struct Problem {
    /// Stable, for programs.
    pub code: &'static str,
    /// HTTP's number.
    pub status: u16,
    /// What happened, and what to do.
    pub says: &'static str,
}

const fn problem(code: &'static str, status: u16, says: &'static str) -> Problem {
    Problem { code, status, says }
}

/// By its code.
pub fn find(code: &str) -> Option<&'static Problem> {
    ALL.iter().find(|it| it.code == code)
}

/// All of them, by status and code.
pub const ALL: &[Problem] = &[
    problem(
        "malformed",
        400,
        "The request could not be read: cut off, not JSON, or with a NUL character in it. Mend it before you send it again.",
    ),
    problem(
        "unauthenticated",
        401,
        "There is no key, or none that is known and in force: revoked, expired, mistyped. Send `Authorization: Bearer` with a key of this account.",
    ),
    problem("exceeds_key", 403, "The key that asks is for some resources alone, and the other is for more."),
    problem(
        "key_limited",
        403,
        "This key was made for less than its member holds, and this act needs all of it. Use a key without limits, or the console.",
    ),
    problem("login_type", 403, "The account demands another way to sign in from this member."),
    problem(
        "member_inactive",
        403,
        "The membership is suspended or has expired. Its keys work again when an administrator reactivates it.",
    ),
    problem(
        "not_your_key",
        403,
        "Only its owner can do this with a key. Whoever manages keys can revoke it.",
    ),
    problem(
        "permission_missing",
        403,
        "The key or its member lacks the permission that `permission` names. `GET …/can` says which roles have it.",
    ),
    problem(
        "scope_missing",
        403,
        "The service token is not for this. An operator can make another with the scope that `detail` names.",
    ),
    problem("not_found", 404, "It is not there, or not for this key to see: the two are told alike."),
    problem(
        "method_not_allowed",
        405,
        "This address does not take that method. `Allow` says which it takes.",
    ),
    problem("already_allowed", 409, "It is allowed already: there is nothing to ask for."),
    problem("already_member", 409, "They are a member already."),
    problem("already_paid", 409, "The invoice is paid already. Nothing was charged."),
    problem("already_rotated", 409, "Another key takes its place already. Rotate that one."),
    problem(
        "answer_lost",
        409,
        "The first request with this `Idempotency-Key` was done, but its answer was lost with the process that did it. It is not done again: read what is there.",
    ),
    problem("budget_exists", 409, "There is a budget for this and this meter already. Change that one."),
    problem("built_in", 409, "A built-in role is the same everywhere. Make one of your own from it."),
    problem(
        "changed_meanwhile",
        409,
        "Somebody changed it at the same time. Read it again, then repeat your change.",
    ),
    problem("credited", 409, "The invoice was taken back by a credit note: nobody owes it."),
    problem("dns_unreachable", 409, "The DNS did not answer. Try again later."),
    problem(
        "domain_taken",
        409,
        "The domain is proven for another organization here. Ask its administrators, or the operator.",
    ),
    problem(
        "in_flight",
        409,
        "A request with this `Idempotency-Key` is being done now. Ask again after `Retry-After` for its answer.",
    ),
    problem("invitation_over", 409, "The invitation was accepted, declined or revoked. Send a new one."),
    problem("key_over", 409, "The key does not work any more: nothing can take its place. Create another."),
    problem("member_again", 409, "They are a member again. Change their roles instead."),
    problem(
        "no_card",
        409,
        "There is no card on file. Add one in the console first, or pay by hand as the invoice says.",
    ),
    problem("no_offer", 409, "There is no offer of ownership, or it has run out."),
    problem("no_verified_domain", 409, "No domain of the organization is proven. Prove one first."),
    problem(
        "not_a_member",
        409,
        "The key's user is here without a membership of their own, or the one to be changed is no member.",
    ),
    problem("not_an_organization", 409, "Only an organization has this."),
    problem(
        "not_in_organization",
        409,
        "They are not in the organization any more, and a team takes its members only. Invite them there first.",
    ),
    problem(
        "not_offered_to_you",
        409,
        "The ownership is offered to another member. Only they can take or decline it.",
    ),
    problem("not_yours", 409, "It belongs to a team. Change it there."),
    problem("offer_pending", 409, "An ownership is on offer already. Withdraw that offer first."),
    problem(
        "organization_limit",
        409,
        "The one who would own this owns as many organizations as a user may.",
    ),
    problem(
        "owner",
        409,
        "The owner cannot be removed, suspended, expired or demoted. Transfer the account first.",
    ),
    problem(
        "parent_pays",
        409,
        "A team has no plan and no bills of its own. Ask the account that pays for it.",
    ),
    problem(
        "payment_under_way",
        409,
        "The payment of this invoice is under way already. It is charged once: read the invoice again.",
    ),
    problem("personal", 409, "A personal account has one member, no invitations and no transfer."),
    problem(
        "record_missing",
        409,
        "There is no TXT record there yet. New records can take some minutes to be seen.",
    ),
    problem("record_wrong", 409, "The TXT record says something else. Copy `record.value` once more."),
    problem("restored_already", 409, "The removal was taken back already."),
    problem("roles_of_organization", 409, "A team uses the roles of its organization. Change them there."),
    problem("self", 409, "Nobody changes their own membership in this way. Ask another administrator."),
    problem("slug_taken", 409, "Another account has or had this slug: a slug is given once. Choose another."),
    problem("team_in_team", 409, "A team has no teams of its own. Open it in the organization."),
    problem("too_many_budgets", 409, "An account has at most 100 budgets. Delete one that is not needed."),
    problem("too_many_grants", 409, "A member holds at most 50 grants."),
    problem(
        "too_many_requests_wait",
        409,
        "Enough of the member's requests for access wait. They ask for more when those are answered.",
    ),
    problem(
        "too_many_roles",
        409,
        "An organization has at most 200 roles of its own. Delete one that is not used.",
    ),
    problem(
        "undo_over",
        409,
        "A removal can be taken back for ten minutes, which are over. Invite them again.",
    ),
    problem("void", 409, "The invoice is void: nobody owes it."),
    problem(
        "precondition_failed",
        412,
        "It has changed since you read it: `If-Match` names another version. Read it again, then repeat your change.",
    ),
    problem(
        "too_large",
        413,
        "A body has at most 1 MiB; one of usage events 16 MiB and 10,000 events. Send less at a time.",
    ),
    problem("unsupported_media_type", 415, "Send JSON, with `Content-Type: application/json`."),
    problem(
        "idempotency_key_reused",
        422,
        "This `Idempotency-Key` was used for another request: another method, address or body. Use a new one for each act.",
    ),
    problem(
        "invalid",
        422,
        "Some fields need another look: `errors` has each with a JSON pointer, a code and a sentence. Query parameters are pointed at like fields of a body.",
    ),
    problem("too_many_requests", 429, "Too many requests. Ask again after `Retry-After`."),
    problem(
        "internal",
        500,
        "A mistake of ours. Nothing was changed. The log has the cause under the answer's `X-Request-Id`.",
    ),
    problem(
        "unavailable",
        503,
        "The database cannot be reached or written now. Nothing was changed. Ask again after `Retry-After`.",
    ),
];

/// What `errors` says of one field, by code.
pub const FAULTS: &[(&str, &str)] = &[
    ("required", "It is missing or empty."),
    ("invalid", "It has the wrong type or form."),
    ("unknown_field", "There is no such field. A field that is not known is never ignored."),
    ("too_long", "It has too many characters."),
    ("too_many", "It has too many items."),
    ("out_of_range", "It is a number outside of what is taken."),
    ("reserved", "It is a word that Guildhall keeps for itself."),
];

/// Of these, whether a value is right depends on what is there, and not on its form: no schema can say it before.
pub const STATE: &[(&str, &str)] = &[
    ("before_from", "It lies before `from`."),
    ("blank", "It is blank, or not there where it must be said again."),
    ("gives_it_not", "The grant does not give what is asked for."),
    ("in_the_past", "The time is over."),
    ("in_use", "It is still held: name a replacement."),
    ("inactive", "The member is suspended or has expired."),
    ("invalid_cursor", "It is no cursor of this list: pass on what `next` said."),
    ("issuer_invalid", "It is no address of an issuer that may be asked."),
    ("known", "It is listed already."),
    ("mismatch", "It is not the account's slug."),
    ("not_a_member", "They are no member."),
    ("not_allowed", "What it belongs to has no such thing."),
    ("organizations_only", "Only an organization has it."),
    ("owner", "They own the account already."),
    ("owner_only", "Only the owner may, and no role can."),
    ("permission_missing", "You lack a permission there."),
    ("role_required", "A scope is said without the role that is held over it."),
    ("scope_not_allowed", "The role cannot be held over this scope."),
    ("sees_nothing", "They could not see what passes on to them."),
    ("taken", "Another has it already."),
    ("too_many_rows", "There would be more than 10,000 rows."),
    ("unknown_account", "There is no such account, or you cannot enter it."),
    ("unknown_key", "There is no such API key in this account."),
    ("unknown_kind", "The catalogue has no such kind in this product."),
    ("unknown_member", "There is no such member in this account."),
    ("unknown_meter", "The catalogue has no such meter."),
    ("unknown_permission", "There is no such permission."),
    ("unknown_plan", "The catalogue has no such plan."),
    ("unknown_product", "The catalogue has no such product."),
    ("unknown_resource", "There is no such resource in this account, or you do not see it."),
    ("unknown_role", "There is no such role in this account."),
    ("unreadable", "It is too long, or has control characters in it."),
    ("unknown_team", "There is no such team in this account."),
];
