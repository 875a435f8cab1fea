//! Who has neither password nor app nor passkey proves anew where they signed in, and comes back.
use super::there;
use crate::harness::{Person, Provider, each_with};
use serde_json::json;
use std::time::Duration;

const STALE: Duration = Duration::from_secs(700);

/// Follows the link that a page offers for a fresh proof.
async fn again(google: &Provider, who: &Person, path: &str) {
    let go = format!("/auth/google?fresh=1&next={path}");
    let page = who.get(path).await.is(200).says("Sign in again: you come back").hides("Your password");
    assert!(page.body.contains(&go.replace('&', "&#38;")), "{} leads elsewhere", page.body);
    let back = there(google, who, &go, "ada@acme.test").await;
    who.get(&back).await.is(303).to(path);
    who.get(path).await.is(200).hides("Sign in again: you come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_only_google_proves_it_there() {
    let (google, provider) = (Provider::start(), Provider::start());
    each_with(google.as_google(), async |house| {
        google.knows("ada@acme.test", json!({ "sub": "g-1", "name": "Ada Byron" })).await;
        let ada = house.visitor();
        let back = there(&google, &ada, "/auth/google", "ada@acme.test").await;
        ada.get(&back).await.is(303);
        ada.post("/new/organization", &[("name", "Acme")]).await.is(303);
        provider.connect(house, &ada, "acme", "acme.test").await;
        let codes = crate::sso::codes(&ada.post("/a/acme/sso/codes", &[]).await.is(200));

        let form = [("issuer", provider.issuer.as_str()), ("client_id", "guildhall"), ("role", "member")];
        // Who is led to the organization's provider may sign in otherwise, while it is not demanded.
        let said = house.visitor().post("/sign-in", &[("email", "bob@acme.test")]).await.is(200);
        said.says("Continue with Acme SSO").says("Continue with Google").says("Use a password instead");

        house.later(STALE);
        ada.post("/a/acme/sso", &form).await.is(422).says("Sign in again to confirm");
        again(&google, &ada, "/a/acme/sso").await;
        ada.post("/a/acme/sso", &form).await.is(303);
        house.later(STALE);
        ada.post("/a/acme/sso/enforce", &[]).await.is(422).says("Sign in again to confirm");
        again(&google, &ada, "/a/acme/sso/domains").await;
        ada.post("/a/acme/sso/enforce", &[]).await.is(303);
        ada.get("/a/acme/overview").await.is(403);

        // Breaking the glass asks for the same: a sign-in of the last ten minutes stands for the password.
        house.later(Duration::from_secs(601));
        house.tamper("update sso_connections set confirm_by = null").await;
        let at = "/sso/acme/break-glass";
        ada.post(at, &[("code", &codes[0])]).await.is(422).says("Sign in again to confirm");
        again(&google, &ada, at).await;
        ada.post(at, &[("code", "abcd-abcd-abcd-abcd")]).await.is(422).says("not right, or was used");
        ada.post(at, &[("code", &codes[0])]).await.is(303).to("/a/acme/overview");
        ada.get("/a/acme/overview").await.is(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_came_through_the_organization_proves_it_there() {
    let provider = Provider::start();
    each_with(
        |_| {},
        async |house| {
            let ada = house.user("Ada Byron", "ada@acme.test").await;
            house.organization(&ada, "Acme").await;
            provider.connect(house, &ada, "acme", "acme.test").await;
            let bob = house.visitor();
            provider.enter(&bob, "/sso/acme", "bob@acme.test").await.is(303);
            house.tamper("update grants set role = 'admin' where role = 'member'").await;
            // The provider has the time of the real world: it is the proof that grows old here.
            house.tamper("update sessions set proved_at = proved_at - 700000000").await;
            house.tamper("update sso_proofs set proved_at = proved_at - 700000000").await;
            let path = "/a/acme/sso/domains";
            let page = bob.get(path).await.is(200).says("Continue with Acme SSO").hides("Your password");
            let go = "/sso/acme?fresh=1&next=/a/acme/sso/domains";
            assert!(page.body.contains(&go.replace('&', "&#38;")), "{}", page.body);
            provider.enter(&bob, go, "bob@acme.test").await.is(303).to(path);
            bob.get(path).await.is(200).hides("Continue with Acme SSO");
            bob.post(path, &[("domain", "films.test")]).await.is(303);
        },
    )
    .await;
}
