//! Reauthentication before dangerous actions, by whichever factors a user has.
use super::{STALE, after_password, codes, set_up};
use crate::{
    harness::{PASSWORD, Provider, on_each_db},
    sso::acme,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_dangerous_action_accepts_a_code() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let (authenticator, first) = set_up(app, &ada).await;
        app.advance(STALE);
        let page =
            ada.get("/me/security/recovery-codes").await.assert_status(200).assert_contains("Your password");
        assert!(page.text().contains("Or a code of your app"));
        let path = "/me/security/recovery-codes";
        ada.post(path, &[]).await.assert_status(422).assert_contains("Enter your password");
        ada.post(path, &[("proof_code", "000000")])
            .await
            .assert_status(422)
            .assert_contains("This code is not right");
        let code = authenticator.code(app);
        let renewed = codes(&ada.post(path, &[("proof_code", &code)]).await.assert_status(200));
        assert!(renewed.iter().all(|code| !first.contains(code)));
        after_password(app, &ada, "")
            .await
            .post("/sign-in/second", &[("code", &first[0])])
            .await
            .assert_status(422);
        after_password(app, &ada, "")
            .await
            .post("/sign-in/second", &[("code", &renewed[0])])
            .await
            .assert_status(303);

        app.advance(STALE);
        ada.post(path, &[("proof_code", &code)]).await.assert_status(422);
        // A user without a password is not asked for one.
        app.raw_sql("update users set password = null").await;
        let page = ada
            .get("/me/delete")
            .await
            .assert_status(200)
            .assert_contains("Code of your app")
            .assert_not_contains("Your password");
        assert!(page.select("input[type=password]").is_empty());
        let form = [("confirm", "ada@acme.test"), ("proof_code", &authenticator.code(app))];
        ada.post("/me/delete", &form[..1])
            .await
            .assert_status(422)
            .assert_contains("Enter a code of your app");
        ada.post("/me/delete", &form).await.assert_status(303).assert_redirect("/sign-in");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_passkey_response_is_refused() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        // Passkeys need a host name, so an installation at an IP address offers none.
        ada.get("/me/security").await.assert_status(200).assert_contains("Passkeys are bound to a name");
        ada.get("/sign-in/second").await.assert_status(200);
        ada.post("/me/security/passkeys/challenge", &[]).await.assert_status(409);
        app.visitor().post("/sign-in/passkey/challenge", &[]).await.assert_status(409);
        for answer in
            ["", "{}", "[]", "nonsense", r#"{"id":"a","rawId":"YQ","type":"public-key","response":{}}"#]
        {
            app.visitor().post("/sign-in/passkey", &[("credential", answer)]).await.assert_status(422);
            let form = [("name", "Phone"), ("credential", answer)];
            ada.post("/me/security/passkeys/new", &form).await.assert_status(422);
            app.advance(STALE);
            ada.post("/me/delete", &[("confirm", "ada@acme.test"), ("proof_credential", answer)])
                .await
                .assert_status(422);
        }
        let missing = format!("/me/security/passkeys/{}", uuid::Uuid::nil());
        ada.get(&missing).await.assert_status(404);
        ada.post(&missing, &[("name", "Mine")]).await.assert_status(404);
        ada.post("/me/security/password/remove", &[("password", PASSWORD)])
            .await
            .assert_status(409)
            .assert_contains("your only way in");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_forms_of_sso_and_of_the_operator_accept_a_code() {
    let provider = Provider::start();
    on_each_db(async |app| {
        let ada = acme(app, &provider).await;
        let (authenticator, _) = set_up(app, &ada).await;
        app.raw_sql("update users set password = null, operator = true").await;
        let open_when_stale = async |path: &str| {
            app.advance(STALE);
            ada.get(path)
                .await
                .assert_status(200)
                .assert_contains("Code of your app")
                .assert_not_contains("Your password")
        };
        let form = [("issuer", provider.issuer.as_str()), ("client_id", "guildhall"), ("role", "member")];
        open_when_stale("/a/acme/sso").await;
        ada.post("/a/acme/sso", &form).await.assert_status(422).assert_contains("Enter a code of your app");
        let code = authenticator.code(app);
        let proven = [&form[..], &[("proof_code", code.as_str())]].concat();
        ada.post("/a/acme/sso", &proven).await.assert_status(303);

        // The page of domains has several such actions and one form to reauthenticate.
        let page = open_when_stale("/a/acme/sso/domains").await;
        assert_eq!(page.select("[name=proof_code]").len(), 1);
        let typed = [("domain", "films.test")];
        let response = ada
            .post("/a/acme/sso/domains", &typed)
            .await
            .assert_status(422)
            .assert_contains("Enter a code of your app");
        let kept = response.select("input[name=domain][value='films.test']");
        assert!(!kept.is_empty(), "the input is kept");
        ada.post("/a/acme/sso/codes", &[])
            .await
            .assert_status(422)
            .assert_contains("Enter a code of your app");
        ada.post("/a/acme/sso/prove", &[("proof_code", "000000")])
            .await
            .assert_status(422)
            .assert_contains("This code is not right");
        ada.post("/a/acme/sso/prove", &[("proof_code", &authenticator.code(app))])
            .await
            .assert_status(303)
            .assert_redirect("/a/acme/sso/domains");
        ada.get("/a/acme/sso/domains").await.assert_status(200).assert_not_contains("Code of your app");
        ada.post("/a/acme/sso/domains", &typed).await.assert_status(303);
        ada.post("/a/acme/sso/codes", &[]).await.assert_status(200).assert_contains("They are shown once");

        open_when_stale("/a/acme/sso/remove").await;
        ada.post("/a/acme/sso/remove", &[("confirm", "acme")])
            .await
            .assert_status(422)
            .assert_contains("Enter a code of your app");
        let form = [("confirm", "acme"), ("proof_code", &authenticator.code(app))];
        ada.post("/a/acme/sso/remove", &form).await.assert_status(303);

        open_when_stale("/operator/tokens/new").await;
        let form = [("name", "Gateway"), ("scope", "verify")];
        ada.post("/operator/tokens", &form)
            .await
            .assert_status(422)
            .assert_contains("Enter a code of your app");
        let code = authenticator.code(app);
        let proven = [&form[..], &[("proof_code", code.as_str())]].concat();
        ada.post("/operator/tokens", &proven)
            .await
            .assert_status(200)
            .assert_contains("Service token created");
    })
    .await;
}
