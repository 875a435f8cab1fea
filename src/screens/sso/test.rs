//! Testing the connection: a sign-in that changes nobody's session, reported step by step.
use super::{flow_cookie::Purpose, login::redirect_to_provider};
use crate::{
    clients::oidc::{CompletedSignIn, OidcError},
    error::{Error, Result},
    http::{
        gate::{Anyone, Can, PathSlug},
        routes::Routes,
    },
    model::{
        id::AccountId,
        permission::{ManageSso, Permission},
    },
    store::sso::{self, ConnectionTest, TestStep, sign_in},
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
        code if code.starts_with("discovery_") || code.starts_with("keys_") => 0,
        "state" | "denied" | "response_issuer" | "code_refused" | "token_unreachable" | "token_invalid"
        | "no_id_token" => 1,
        code if code.starts_with("email_") => 3,
        _ => 2,
    }
}

pub(super) fn routes() -> Routes {
    Routes::default().get("/a/{slug}/sso/test", test)
}

async fn test(
    _can: Can<ManageSso>,
    anyone: Anyone,
    page: Page,
    PathSlug(slug): PathSlug,
) -> Result<Response> {
    let found = sso::by_slug(&mut anyone.read(), &slug).await?;
    let (account, slug, _) = found.ok_or(Error::NotFound)?;
    // A test reads the discovery document again, whatever is cached.
    let client = sso::client(&mut anyone.read(), account).await?.ok_or(Error::NotFound)?;
    let discovered = anyone.context().oidc.discover(&client.issuer).await;
    let started = match discovered {
        Ok(_) => {
            redirect_to_provider(&anyone, &page, account, Purpose::Test, slug.clone(), String::new(), None)
                .await?
        }
        Err(error) => Err(error),
    };
    match started {
        Ok(response) => Ok(response),
        Err(error) => finish(&anyone, &page, &slug, None, Err(error)).await,
    }
}

/// Stores the result of the test, and leads back to the page of the connection.
pub(super) async fn finish(
    anyone: &Anyone,
    page: &Page,
    slug: &str,
    account: Option<AccountId>,
    outcome: Result<CompletedSignIn, OidcError>,
) -> Result<Response> {
    let tester = anyone.signed_in_user().map(|me| me.user.name.clone()).unwrap_or_default();
    let mut details: Vec<(bool, String)> = vec![];
    let completed = match outcome {
        Ok(completed) => Some(completed),
        Err(error) => {
            let failed_step = step_of(error.code);
            details =
                (0..failed_step).map(|_| (true, "Done".to_owned())).chain([(false, error.detail)]).collect();
            None
        }
    };
    if let (Some(completed), Some(account)) = (completed, account) {
        let mut scope = anyone.read();
        let connection = sso::of(&mut scope, account).await?;
        let key_count = match &connection {
            Some(connection) => anyone
                .context()
                .oidc
                .discovery(&connection.issuer)
                .await
                .map(|discovery| discovery.key_count())
                .unwrap_or_default(),
            None => 0,
        };
        let claims = &completed.claims;
        let (alg, key) = &claims.signing_key;
        details.push((true, format!("{key_count} signing keys")));
        details.push((true, "The client secret was accepted".into()));
        details.push((true, format!("{alg} · key {key}")));
        let email_claim = claims.email.as_deref();
        match sign_in::address(&mut scope, account, email_claim, claims.email_verified).await? {
            Ok(email) => {
                details.push((true, email.to_string()));
                let claim = connection.map_or_else(String::new, |connection| connection.groups_claim);
                let groups = claims.groups(&claim);
                details.push((
                    true,
                    groups.map_or_else(
                        || format!("{claim} · not sent; only needed to give roles by group"),
                        |groups| format!("{claim} · {} values", groups.len()),
                    ),
                ));
            }
            Err(error) => details.push((false, error.detail)),
        }
    }
    let ok = details.len() == STEPS.len() && details.iter().all(|detail| detail.0);
    let step =
        |(title, (ok, detail)): (&&str, (bool, String))| TestStep { title: (*title).to_owned(), ok, detail };
    let steps = STEPS.iter().zip(details).map(step).collect();
    let test = ConnectionTest { at: anyone.context().now(), by: tester, ok, steps };
    anyone
        .change_in(slug, Permission::ManageSso, async |change| sso::record_test(change, &test).await)
        .await?;
    let path = format!("/a/{slug}/sso");
    Ok(if ok {
        page.done(&path, "The connection works.")
    } else {
        page.failed(&path, "The connection does not work yet. See step 3.")
    })
}
