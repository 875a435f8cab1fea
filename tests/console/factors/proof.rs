//! Fresh proof before dangerous acts, by what one has.
use super::{STALE, codes, half, set_up};
use crate::{
    harness::{PASSWORD, Provider, each},
    sso::acme,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_dangerous_act_takes_a_code_for_proof() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        let (app, first) = set_up(house, &ada).await;
        house.later(STALE);
        let asked = ada.get("/me/security/recovery-codes").await.is(200).says("Your password");
        assert!(asked.text().contains("Or a code of your app"));
        let path = "/me/security/recovery-codes";
        ada.post(path, &[]).await.is(422).says("Enter your password");
        ada.post(path, &[("proof_code", "000000")]).await.is(422).says("This code is not right");
        let code = app.code(house);
        let renewed = codes(&ada.post(path, &[("proof_code", &code)]).await.is(200));
        assert!(renewed.iter().all(|it| !first.contains(it)));
        half(house, &ada, "").await.post("/sign-in/second", &[("code", &first[0])]).await.is(422);
        half(house, &ada, "").await.post("/sign-in/second", &[("code", &renewed[0])]).await.is(303);

        house.later(STALE);
        ada.post(path, &[("proof_code", &code)]).await.is(422);
        // Who has no password is not asked for one.
        house.tamper("update users set password = null").await;
        let asked = ada.get("/me/delete").await.is(200).says("Code of your app").hides("Your password");
        assert!(!asked.body.contains("type=\"password\""));
        let form = [("confirm", "ada@acme.test"), ("proof_code", &app.code(house))];
        ada.post("/me/delete", &form[..1]).await.is(422).says("Enter a code of your app");
        ada.post("/me/delete", &form).await.is(303).to("/sign-in");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passkeys_need_more_than_a_forged_answer() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        // At a bare IP address there are none.
        ada.get("/me/security").await.is(200).says("Passkeys are bound to a name");
        ada.get("/sign-in/second").await.is(200);
        ada.post("/me/security/passkeys/challenge", &[]).await.is(409);
        house.visitor().post("/sign-in/passkey/challenge", &[]).await.is(409);
        for answer in
            ["", "{}", "[]", "nonsense", r#"{"id":"a","rawId":"YQ","type":"public-key","response":{}}"#]
        {
            house.visitor().post("/sign-in/passkey", &[("credential", answer)]).await.is(422);
            let form = [("name", "Phone"), ("credential", answer)];
            ada.post("/me/security/passkeys/new", &form).await.is(422);
            house.later(STALE);
            ada.post("/me/delete", &[("confirm", "ada@acme.test"), ("proof_credential", answer)])
                .await
                .is(422);
        }
        let nobody = format!("/me/security/passkeys/{}", uuid::Uuid::nil());
        ada.get(&nobody).await.is(404);
        ada.post(&nobody, &[("name", "Mine")]).await.is(404);
        ada.post("/me/security/password/remove", &[("password", PASSWORD)])
            .await
            .is(409)
            .says("your only way in");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_forms_of_sso_and_of_the_operator_take_a_code_too() {
    let provider = Provider::start();
    each(async |house| {
        let ada = acme(house, &provider).await;
        let (app, _) = set_up(house, &ada).await;
        house.tamper("update users set password = null, operator = true").await;
        let stale = async |path: &str| {
            house.later(STALE);
            ada.get(path).await.is(200).says("Code of your app").hides("Your password")
        };
        let form = [("issuer", provider.issuer.as_str()), ("client_id", "guildhall"), ("role", "member")];
        stale("/a/acme/sso").await;
        ada.post("/a/acme/sso", &form).await.is(422).says("Enter a code of your app");
        let code = app.code(house);
        let proven = [&form[..], &[("proof_code", code.as_str())]].concat();
        ada.post("/a/acme/sso", &proven).await.is(303);

        // The page of domains has several such acts, and one place to prove oneself.
        let page = stale("/a/acme/sso/domains").await;
        assert_eq!(page.body.matches("name=\"proof_code\"").count(), 1);
        let typed = [("domain", "films.test")];
        let said = ada.post("/a/acme/sso/domains", &typed).await.is(422).says("Enter a code of your app");
        assert!(said.body.contains("value=\"films.test\""), "what was typed stays");
        ada.post("/a/acme/sso/codes", &[]).await.is(422).says("Enter a code of your app");
        ada.post("/a/acme/sso/prove", &[("proof_code", "000000")])
            .await
            .is(422)
            .says("This code is not right");
        ada.post("/a/acme/sso/prove", &[("proof_code", &app.code(house))])
            .await
            .is(303)
            .to("/a/acme/sso/domains");
        ada.get("/a/acme/sso/domains").await.is(200).hides("Code of your app");
        ada.post("/a/acme/sso/domains", &typed).await.is(303);
        ada.post("/a/acme/sso/codes", &[]).await.is(200).says("They are shown once");

        stale("/a/acme/sso/remove").await;
        ada.post("/a/acme/sso/remove", &[("confirm", "acme")]).await.is(422).says("Enter a code of your app");
        let form = [("confirm", "acme"), ("proof_code", &app.code(house))];
        ada.post("/a/acme/sso/remove", &form).await.is(303);

        stale("/operator/tokens/new").await;
        let form = [("name", "Gateway"), ("scope", "verify")];
        ada.post("/operator/tokens", &form).await.is(422).says("Enter a code of your app");
        let code = app.code(house);
        let proven = [&form[..], &[("proof_code", code.as_str())]].concat();
        ada.post("/operator/tokens", &proven).await.is(200).says("Service token created");
    })
    .await;
}
