//! The codes of all problems that the API can return, with what they mean and what to do. The OpenAPI document and the page
//! `/api/docs/problems` are made from this table; a test compares it with the codes in the source.

pub struct Problem {
    /// Stable, for programs.
    pub code: &'static str,
    pub status: u16,
    /// What happened, and what to do.
    pub description: &'static str,
}

const fn problem(code: &'static str, status: u16, description: &'static str) -> Problem {
    Problem { code, status, description }
}

pub fn find(code: &str) -> Option<&'static Problem> {
    ALL.iter().find(|problem| problem.code == code)
}

/// Ordered by status and code.
pub const ALL: &[Problem] = &[
    problem(
        "malformed",
        400,
        "The request could not be read: cut off, not JSON, or with a NUL character in it. Correct it before you send it again.",
    ),
    problem(
        "unauthenticated",
        401,
        "The key is missing, unknown, revoked or expired. Send `Authorization: Bearer` with a key of this account.",
    ),
    problem(
        "exceeds_key",
        403,
        "The key that makes the request is limited to some resources, and the other key is not.",
    ),
    problem(
        "key_limited",
        403,
        "This key has fewer permissions than its member, and this call needs all of them. Use a key without limits, or the console.",
    ),
    problem("login_type", 403, "The account requires another sign-in method for this member."),
    problem(
        "member_inactive",
        403,
        "The membership is suspended or has expired. Its keys work again when an administrator reactivates it.",
    ),
    problem("not_your_key", 403, "Only the key's owner can do this. Whoever manages keys can revoke it."),
    problem(
        "permission_missing",
        403,
        "The key or its member lacks the permission that `permission` names. `GET …/can` says which roles have it.",
    ),
    problem(
        "scope_missing",
        403,
        "The service token lacks the scope that `detail` names. An operator can make another token with it.",
    ),
    problem("user_required", 403, "Only a person can do this: use an API key of a member."),
    problem("not_found", 404, "It does not exist, or this key may not see it: the answer is the same."),
    problem(
        "method_not_allowed",
        405,
        "This address does not take that method. `Allow` lists those it takes.",
    ),
    problem("already_allowed", 409, "The member has this permission already."),
    problem("already_member", 409, "They are a member already."),
    problem("already_paid", 409, "The invoice is paid already. Nothing was charged."),
    problem("already_rotated", 409, "Another key has replaced it. Rotate that one."),
    problem(
        "answer_lost",
        409,
        "The first request with this `Idempotency-Key` was executed, but its response was lost with the process that executed it. It is not executed again: read the current state.",
    ),
    problem(
        "budget_exists",
        409,
        "There is a budget for this meter and this subject already. Change that one.",
    ),
    problem("built_in", 409, "Built-in roles cannot be changed. Copy it to a role of your own."),
    problem(
        "changed_meanwhile",
        409,
        "Somebody changed it at the same time. Read it again, then repeat your change.",
    ),
    problem("credited", 409, "A credit note cancelled the invoice: there is nothing to pay."),
    problem("dns_unreachable", 409, "The DNS did not answer. Try again later."),
    problem(
        "domain_taken",
        409,
        "Another organization has verified this domain. Ask its administrators, or the operator.",
    ),
    problem(
        "in_flight",
        409,
        "A request with this `Idempotency-Key` is being processed. Retry after `Retry-After` to get its response.",
    ),
    problem("invitation_over", 409, "The invitation was accepted, declined or revoked. Send a new one."),
    problem("key_over", 409, "The key no longer works, so it cannot be rotated. Create another."),
    problem("member_again", 409, "They are a member again. Change their roles instead."),
    problem(
        "no_card",
        409,
        "There is no card on file. Add one in the console first, or pay by hand as the invoice says.",
    ),
    problem("no_offer", 409, "There is no offer of ownership, or it has expired."),
    problem("no_verified_domain", 409, "The organization has no verified domain. Verify one first."),
    problem(
        "not_a_member",
        409,
        "The key's user has no membership of their own here, or the user to be changed is not a member.",
    ),
    problem("not_an_organization", 409, "Only an organization has this."),
    problem(
        "not_in_organization",
        409,
        "They are no longer in the organization, and only its members can be in a team. Invite them there first.",
    ),
    problem(
        "not_offered_to_you",
        409,
        "The ownership is offered to another member. Only they can take or decline it.",
    ),
    problem("not_yours", 409, "It belongs to a team. Change it there."),
    problem("offer_pending", 409, "Ownership has been offered already. Withdraw that offer first."),
    problem("organization_limit", 409, "The new owner owns as many organizations as a user may."),
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
        "This invoice is being paid. It is charged once: read the invoice again.",
    ),
    problem("personal", 409, "A personal account has one member, no invitations and no transfer."),
    problem(
        "record_missing",
        409,
        "There is no TXT record yet. New records can take some minutes to appear.",
    ),
    problem("record_wrong", 409, "The TXT record has another value. Copy `record.value` again."),
    problem("restored_already", 409, "The removal was undone already."),
    problem("roles_of_organization", 409, "A team uses the roles of its organization. Change them there."),
    problem("self", 409, "You cannot change your own membership in this way. Ask another administrator."),
    problem("slug_taken", 409, "Another account has or had this slug. Slugs are not reused: choose another."),
    problem("team_in_team", 409, "A team has no teams of its own. Create it in the organization."),
    problem(
        "too_many_budgets",
        409,
        "An account has at most 100 budgets. Delete one that you no longer need.",
    ),
    problem("too_many_grants", 409, "A member holds at most 50 grants."),
    problem(
        "too_many_requests_wait",
        409,
        "The member has too many open access requests. They can make more when those are answered.",
    ),
    problem(
        "too_many_roles",
        409,
        "An organization has at most 200 roles of its own. Delete one that is not used.",
    ),
    problem(
        "undo_over",
        409,
        "A removal can be undone for ten minutes, which have passed. Invite them again.",
    ),
    problem("void", 409, "The invoice is void: there is nothing to pay."),
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
        "This `Idempotency-Key` was used for another request: another method, address or body. Use a new key for each request.",
    ),
    problem(
        "invalid",
        422,
        "Some fields are invalid: `errors` has each with a JSON pointer, a code and a sentence. Query parameters are named like fields of a body.",
    ),
    problem("too_many_requests", 429, "Too many requests. Retry after `Retry-After`."),
    problem(
        "internal",
        500,
        "A bug in Guildhall. Nothing was changed. The log has the cause under the response's `X-Request-Id`.",
    ),
    problem(
        "unavailable",
        503,
        "The database cannot be reached or written now. Nothing was changed. Retry after `Retry-After`.",
    ),
];

/// The codes in `errors` that a schema can tell in advance.
pub const FIELD_CODES: &[(&str, &str)] = &[
    ("required", "It is missing or empty."),
    ("invalid", "It has the wrong type or form."),
    ("unknown_field", "There is no such field. Unknown fields are never ignored."),
    ("too_long", "It has too many characters."),
    ("too_many", "It has too many items."),
    ("out_of_range", "The number is out of range."),
    ("reserved", "Guildhall reserves this word."),
];

/// The codes in `errors` that depend on what exists and not on the form of the value: no schema can tell them in advance.
pub const STATE: &[(&str, &str)] = &[
    ("before_from", "It is before `from`."),
    ("blank", "It is blank, or missing where it must be repeated."),
    ("gives_it_not", "The grant does not give the requested permission."),
    ("in_the_past", "The time has passed."),
    ("in_use", "Members still hold it: name a replacement."),
    ("inactive", "The member is suspended or has expired."),
    ("invalid_cursor", "It is not a cursor of this list: send the value of `next`."),
    ("issuer_invalid", "It is not the address of an issuer that may be called."),
    ("known", "It is listed already."),
    ("mismatch", "It is not the account's slug."),
    ("not_a_member", "They are not a member."),
    ("not_allowed", "The object that it belongs to does not have this."),
    ("organizations_only", "Only an organization has it."),
    ("owner", "They own the account already."),
    ("owner_only", "Only the owner may do this: no role gives it."),
    ("permission_missing", "You lack a permission there."),
    ("role_required", "There is a scope without a role."),
    ("scope_not_allowed", "The role cannot be held over this scope."),
    ("sees_nothing", "They could not see what they would receive."),
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
    ("unreadable", "It is too long, or contains control characters."),
    ("unknown_team", "There is no such team in this account."),
];
