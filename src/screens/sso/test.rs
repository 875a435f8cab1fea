//! Test connection: each step, and what came back, in words.
use crate::{
    clients::oidc::{Came, Refusal},
    error::Result,
    http::gate::Anyone,
    model::{id::AccountId, permission::Permission},
    store::sso::{self, Step, Test, sign_in},
    view::page::Page,
};
use axum::response::Response;

const STEPS: [&str; 5] = [
    "Discovery document and keys",
    "Sign-in at the provider, code changed for a token",
    "Signature, issuer, audience, times and nonce",
    "E-mail address at a verified domain",
    "Group claim",
];

fn step_of(code: &str) -> usize {
    match code {
        it if it.starts_with("discovery_") || it.starts_with("keys_") => 0,
        "state" | "denied" | "response_issuer" | "code_refused" | "token_unreachable" | "token_invalid"
        | "no_id_token" => 1,
        it if it.starts_with("email_") => 3,
        _ => 2,
    }
}

/// Writes down how the test went, and shows the page of the connection.
pub(super) async fn note(
    anyone: &Anyone,
    page: &Page,
    slug: &str,
    account: Option<AccountId>,
    came: Result<Came, Refusal>,
) -> Result<Response> {
    let by = anyone.me().map(|it| it.person.name.clone()).unwrap_or_default();
    let mut details: Vec<(bool, String)> = vec![];
    let came = match came {
        Ok(came) => Some(came),
        Err(refusal) => {
            let at = step_of(refusal.code);
            details = (0..at).map(|_| (true, "Done".to_owned())).chain([(false, refusal.detail)]).collect();
            None
        }
    };
    if let (Some(came), Some(account)) = (came, account) {
        let mut scope = anyone.read();
        let connection = sso::of(&mut scope, account).await?;
        let keys = match &connection {
            Some(it) => anyone.kit().oidc.find(&it.issuer).await.map(|it| it.key_count()).unwrap_or_default(),
            None => 0,
        };
        let claims = &came.claims;
        let (alg, key) = &claims.signed;
        details.push((true, format!("{keys} signing keys")));
        details.push((true, "The client secret was taken".into()));
        details.push((true, format!("{alg} · key {key}")));
        let told = claims.email.as_deref();
        match sign_in::address(&mut scope, account, told, claims.email_verified).await? {
            Ok(email) => {
                details.push((true, email.to_string()));
                let claim = connection.map_or_else(String::new, |it| it.groups_claim);
                let groups = claims.groups(&claim);
                details.push((
                    true,
                    groups.map_or_else(
                        || format!("{claim} · not told; only needed to give roles by group"),
                        |all| format!("{claim} · {} values", all.len()),
                    ),
                ));
            }
            Err(refusal) => details.push((false, refusal.detail)),
        }
    }
    let ok = details.len() == STEPS.len() && details.iter().all(|it| it.0);
    let step =
        |(title, (ok, detail)): (&&str, (bool, String))| Step { title: (*title).to_owned(), ok, detail };
    let steps = STEPS.iter().zip(details).map(step).collect();
    let test = Test { at: anyone.kit().now(), by, ok, steps };
    anyone.change_in(slug, Permission::ManageSso, async |change| sso::tested(change, &test).await).await?;
    let path = format!("/a/{slug}/sso");
    Ok(if ok {
        page.done(&path, "The connection works.")
    } else {
        page.failed(&path, "The connection does not work yet. See step 3.")
    })
}
