//! Events of the audit log as sentences. The actor's name stands before each.
use crate::{
    model::{account::Kind, grant::GrantLabel, time::Time},
    store::audit::Event,
};
use serde_json::Value;

/// What was done, to be read behind the actor's name: `invited bob@x.test as Video developer`.
#[expect(clippy::too_many_lines, reason = "one line an action, in one list")]
pub fn sentence(event: &Event) -> String {
    let changes: Value = serde_json::from_str(&event.changes).unwrap_or_default();
    let (before, after) = (&changes["before"], &changes["after"]);
    let name = event.target_name();
    match event.action.as_str() {
        "account.created" => format!("opened the {} “{name}”", kind(&after["kind"])),
        "account.updated" => updated(before, after),
        "account.deleted" => format!("deleted “{name}”"),
        "team.created" => format!("opened the team “{name}”"),
        "plan.changed" => {
            format!("changed the plan from {} to {}", text(before, "plan"), text(after, "plan"))
        }
        "plan.scheduled" => match after["at"].as_str().and_then(Time::parse) {
            Some(at) => format!("set the plan to change to {} on {}", text(after, "plan"), at.in_words()),
            None => format!("set the plan to change to {}", text(after, "plan")),
        },
        "plan.schedule_withdrawn" => format!("withdrew the change of the plan to {}", text(before, "plan")),
        "billing.details_changed" => "changed the billing details".to_owned(),
        "invoice.issued" => format!("made {name} for {}: {}", text(after, "month"), text(after, "total")),
        "invoice.paid" => format!("marked {name} as paid ({})", text(after, "note")),
        "invoice.voided" => format!("voided {name}: {}", text(after, "reason")),
        "invoice.credited" => format!("took {name} back: {}", text(after, "reason")),
        "invoice.adjusted" => format!("put {} on the next invoice: {name}", text(after, "amount")),
        "payment.asked" => format!("asked to charge {} to the card for {name}", text(after, "amount")),
        "payment.failed" => format!("could not charge the card for {name}: {}", text(after, "detail")),
        "card.changed" => match after["last4"].as_str() {
            Some("") | None => "recorded that there is no card any more".to_owned(),
            Some(last4) => format!("recorded the card that ends in {last4}"),
        },
        "member.invited" => format!("invited {name} as {}", roles(&after["grants"])),
        "member.joined" => joined(&name, after),
        "member.left" => "left".to_owned(),
        "member.removed" => format!("removed {name}"),
        "member.restored" => format!("took back the removal of {name}"),
        "member.suspended" => format!("suspended {name}"),
        "member.reactivated" => format!("reactivated {name}"),
        "member.role_changed" => {
            format!("changed {name} from {} to {}", roles(before), roles(after))
        }
        "member.expiry_changed" => match after["expires_at"].as_str().and_then(Time::parse) {
            Some(at) => format!("set the membership of {name} to end on {}", at.in_words()),
            None => format!("set the membership of {name} to have no end"),
        },
        "member.login_type_changed" => format!(
            "changed how {name} signs in from {} to {}",
            text(before, "login_type"),
            text(after, "login_type")
        ),
        "resource.created" => format!("registered “{name}”"),
        "resource.updated" => resource_updated(&name, before, after),
        "resource.deleted" => format!("deleted the resource “{name}”"),
        "resource.moved" => {
            format!("moved “{name}” from {} to {}", text(before, "account"), text(after, "account"))
        }
        "invitation.declined" => format!("declined the invitation for {name}"),
        "invitation.link_copied" => format!("copied the link of the invitation for {name}"),
        "invitation.resent" => format!("sent the invitation for {name} again"),
        "invitation.revoked" => format!("revoked the invitation for {name}"),
        "key.created" => format!("created the API key “{name}”"),
        "key.leaked" => format!("reported the API key “{name}” as leaked, which revoked it"),
        "key.renamed" => {
            format!("renamed the API key “{}” to “{}”", text(before, "name"), text(after, "name"))
        }
        "key.revoked" => format!("revoked the API key “{name}”"),
        "key.rotated" => match after["expires_at"].as_str().and_then(Time::parse) {
            Some(at) => format!("rotated the API key “{name}”: the old one ends on {}", at.in_words()),
            None => format!("rotated the API key “{name}”"),
        },
        "role.created" => format!("made the role “{name}”"),
        "role.duplicated" => format!("made the role “{name}” from {}", text(after, "from")),
        "role.changed" => format!("changed the role “{name}”"),
        "role.deleted" => match after["replacement"].as_str() {
            Some(label) => format!("deleted the role “{name}”: its holders are {} now", title(label)),
            None => format!("deleted the role “{name}”"),
        },
        "access.requested" => format!("asked for the permission {}", text(after, "permission")),
        "access.granted" => {
            format!(
                "granted {name} the permission {} as {}",
                text(after, "permission"),
                roles(&after["grants"])
            )
        }
        "access.declined" => format!("declined to give {name} the permission {}", text(after, "permission")),
        "budget.created" => format!("set a budget for {name}"),
        "budget.updated" => format!("changed the budget for {name}"),
        "budget.deleted" => format!("deleted the budget for {name}"),
        "service_token.created" => format!("created the service token “{name}”"),
        "service_token.leaked" => format!("reported the service token “{name}” as leaked, which revoked it"),
        "service_token.revoked" => format!("revoked the service token “{name}”"),
        "session.ended" => "ended one of their sessions".to_owned(),
        "session.others_ended" => "ended all of their other sessions".to_owned(),
        "session.new_browser" => format!("signed in with a new browser, {}", text(after, "browser")),
        "factor.app_added" => "set up an authenticator app".to_owned(),
        "factor.app_removed" => "turned the authenticator app off".to_owned(),
        "factor.codes_renewed" => "made new recovery codes".to_owned(),
        "factor.code_used" => format!("used a recovery code to sign in as {name}"),
        "factor.reset" => format!("removed the second factors and passkeys of {name}"),
        "passkey.added" => format!("added the passkey “{}”", text(after, "passkey")),
        "passkey.removed" => format!("removed the passkey “{}”", text(after, "passkey")),
        "operator.added" => format!("made {name} an operator"),
        "transfer.offered" => format!("offered the ownership to {}", text(after, "owner")),
        "transfer.accepted" => format!("took over the ownership from {}", text(before, "owner")),
        "transfer.declined" => format!("declined the ownership that {} offered", text(before, "owner")),
        "transfer.expired" => format!("ended the offer of ownership to {}: it expired", text(after, "owner")),
        "transfer.inherited" => format!("made {} the owner, whose predecessor left", text(after, "owner")),
        "transfer.returned" => format!("gave the ownership back to {}", text(after, "owner")),
        "transfer.withdrawn" => format!("withdrew the offer of ownership to {}", text(after, "owner")),
        "user.created" => format!("created the user {name}"),
        "user.deleted" => format!("deleted the user {name}"),
        "user.renamed" => {
            format!("changed their name from “{}” to “{}”", text(before, "name"), text(after, "name"))
        }
        "user.linked" => {
            format!("linked themselves with {} at {}", text(after, "as"), text(after, "provider"))
        }
        "user.unlinked" => {
            format!("unlinked themselves from {} at {}", text(before, "as"), text(before, "provider"))
        }
        "user.password_changed" => format!("changed the password of {name}"),
        "user.password_removed" => format!("removed the password of {name}"),
        "user.email_change_asked" => format!("asked to change their address to {}", text(after, "email")),
        "user.email_changed" => {
            format!(
                "confirmed the new address {} in place of {}",
                text(after, "email"),
                text(before, "email")
            )
        }
        other => single_sign_on(other, &name, before, after)
            .unwrap_or_else(|| format!("{} · {name}", other.replace(['.', '_'], " "))),
    }
}

fn single_sign_on(action: &str, name: &str, before: &Value, after: &Value) -> Option<String> {
    Some(match action {
        "sso.saved" => format!("set up single sign-on with {}", text(after, "issuer")),
        "sso.removed" => "removed single sign-on".to_owned(),
        "sso.tested" if after["ok"] == true => "tested single sign-on: it works".to_owned(),
        "sso.tested" => "tested single sign-on: it does not work".to_owned(),
        "sso.linked" => format!("linked {name} to {} at {}", text(after, "email"), text(after, "issuer")),
        "sso.refused" => format!("was refused by single sign-on ({name}): {}", text(after, "detail")),
        "sso.enforced" => "enforced single sign-on, on trial for 15 minutes".to_owned(),
        "sso.enforcement_confirmed" => {
            "confirmed the enforcement of single sign-on by signing in with it".to_owned()
        }
        "sso.enforcement_lifted" => {
            format!("lifted the enforcement of single sign-on: {}", text(after, "why"))
        }
        "sso.people_told" if after["count"] == 1 => {
            "asked 1 member to sign in with single sign-on".to_owned()
        }
        "sso.people_told" => {
            format!("asked {} members to sign in with single sign-on", after["count"])
        }
        "sso.codes_made" => "made new break-glass codes".to_owned(),
        "sso.code_used" => "signed in with a break-glass code".to_owned(),
        "domain.added" => format!("claimed the domain {name}"),
        "domain.verified" if after["vouched"] == true => format!("vouched for the domain {name}"),
        "domain.verified" => format!("verified the domain {name}"),
        "domain.unverified" => format!("unverified the domain {name}: its record was missing for seven days"),
        "domain.removed" => format!("removed the domain {name}"),
        "domain.joining_changed" => match text(after, "joining") {
            "join" => "let people at verified domains join at once".to_owned(),
            "ask" => "let people at verified domains ask to join".to_owned(),
            _ => "let people at verified domains join by invitation only".to_owned(),
        },
        "join.requested" => "asked to join".to_owned(),
        "join.declined" => format!("declined the request of {name} to join"),
        "member.groups_changed" => format!(
            "changed what {name} holds by their groups: {} added, {} taken",
            count(&after["grants"]),
            count(&before["grants"])
        ),
        _ => return None,
    })
}

fn count(list: &Value) -> usize {
    list.as_array().map_or(0, Vec::len)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("?")
}

fn kind(value: &Value) -> &'static str {
    let kinds = [Kind::Personal, Kind::Organization, Kind::Team];
    kinds.into_iter().find(|kind| value == kind.as_str()).map_or("account", Kind::noun)
}

fn joined(name: &str, after: &Value) -> String {
    match after["with_team"].as_str() {
        Some(team) => format!("joined with the team “{team}” ({name})"),
        None => format!("joined as {} ({name})", roles(&after["grants"])),
    }
}

fn updated(before: &Value, after: &Value) -> String {
    let mut parts = vec![];
    if let (Some(old), Some(new)) = (before["name"].as_str(), after["name"].as_str()) {
        parts.push(format!("renamed the account from “{old}” to “{new}”"));
    }
    if let (Some(old), Some(new)) = (before["slug"].as_str(), after["slug"].as_str()) {
        parts.push(format!("changed the address from {old} to {new}"));
    }
    match after["admins_may_delete"].as_bool() {
        Some(true) => parts.push("let administrators delete the account".to_owned()),
        Some(false) => parts.push("kept administrators from deleting the account".to_owned()),
        None => {}
    }
    match after["requires_second_factor"].as_bool() {
        Some(true) => parts.push("asked every member for a second factor".to_owned()),
        Some(false) => parts.push("stopped asking members for a second factor".to_owned()),
        None => {}
    }
    if parts.is_empty() { "changed the settings".to_owned() } else { parts.join(", ") }
}

fn resource_updated(name: &str, before: &Value, after: &Value) -> String {
    let mut parts = vec![];
    if let Some(new) = after["name"].as_str() {
        parts.push(format!("renamed “{}” to “{new}”", text(before, "name")));
    }
    if let Some(new) = after["external_id"].as_str() {
        let old = text(before, "external_id");
        parts.push(format!("changed the external id of “{name}” from {old} to {new}"));
    }
    if let Some(new) = after["visibility"].as_str() {
        parts.push(format!("made “{name}” {new}"));
    }
    if !after["credentials"].is_null() {
        parts.push(format!("replaced the credentials of “{name}”"));
    }
    if parts.is_empty() { format!("changed “{name}”") } else { parts.join(", ") }
}

/// The titles of roles, from labels that are bare or in `{label, expires_at}`.
fn roles(grants: &Value) -> String {
    let label = |grant: &Value| grant.as_str().or_else(|| grant["label"].as_str()).map(title);
    let titles: Vec<String> = grants.as_array().into_iter().flatten().filter_map(label).collect();
    if titles.is_empty() { "no role".to_owned() } else { titles.join(", ") }
}

/// The title of a role by its label: `Video developer` for `video-developer`. A custom role keeps its name.
pub fn title(label: &str) -> String {
    GrantLabel::parse(label).map_or_else(|| label.to_owned(), |label| label.title())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sentence_of(action: &str, name: &str, before: &Value, after: &Value) -> String {
        sentence(&Event {
            id: uuid::Uuid::nil(),
            seq: 1,
            at: Time(0),
            actor_type: "user".into(),
            actor_id: None,
            actor_name: "ada@x.test".into(),
            action: action.into(),
            target: json!({ "type": "", "id": "", "name": name }).to_string(),
            ip: String::new(),
            changes: json!({ "before": before, "after": after }).to_string(),
            hash: vec![],
        })
    }

    #[test]
    fn events_become_sentences() {
        let none = Value::Null;
        let grants = json!({ "grants": ["video-developer", "Clip reviewer", "image-admin"] });
        assert_eq!(
            sentence_of("member.invited", "bob@x.test", &none, &grants),
            "invited bob@x.test as Video developer, Clip reviewer, Image admin"
        );
        let labels = |label: &str| json!([{ "label": label, "expires_at": null }]);
        assert_eq!(
            sentence_of(
                "member.role_changed",
                "bob@x.test",
                &labels("member"),
                &labels("video-source-specific")
            ),
            "changed bob@x.test from Member to Video source-specific"
        );
        let (old, new) = (json!({ "name": "A", "slug": "a" }), json!({ "name": "B", "slug": "b" }));
        assert_eq!(
            sentence_of("account.updated", "A", &old, &new),
            "renamed the account from “A” to “B”, changed the address from a to b"
        );
        let until = json!({ "expires_at": "2026-11-30T22:59:59Z" });
        assert_eq!(
            sentence_of("member.expiry_changed", "bob@x.test", &none, &until),
            "set the membership of bob@x.test to end on November 30, 2026, 22:59 (UTC)"
        );
        assert_eq!(sentence_of("comet.seen_twice", "X", &none, &none), "comet seen twice · X");
    }

    #[test]
    fn a_role_has_the_same_title_as_elsewhere() {
        use crate::model::{
            grant::{Grant, GrantScope},
            role::BuiltIn,
        };
        let over_video =
            |role: &BuiltIn| Grant { over: GrantScope::Product("video".into()), ..Grant::whole(*role, true) };
        let whole = BuiltIn::GRANTABLE.iter().map(|role| Grant::whole(*role, true));
        let in_products =
            [BuiltIn::Developer, BuiltIn::Analyst, BuiltIn::ProductAdmin, BuiltIn::SourceSpecific];
        for grant in whole.chain(in_products.iter().map(over_video)) {
            assert_eq!(title(&grant.label()), grant.title());
        }
    }
}
