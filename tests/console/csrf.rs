//! Requests from other sites: forms, redirects that start something, and scripts that call the API.
use crate::{
    api::{ACME, acme, problem},
    harness::{BASE, Provider, on_each_db, on_each_db_with},
};
use axum::{body::Body, http::Method};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test(flavor = "multi_thread")]
async fn a_form_from_another_site_is_refused() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        for headers in [
            vec![FORM],
            vec![FORM, ("origin", "https://evil.test")],
            vec![FORM, ("sec-fetch-site", "cross-site"), ("origin", BASE)],
            vec![FORM, ("sec-fetch-site", "same-site")],
        ] {
            ada.send(Method::POST, "/sign-out", &headers, Body::empty()).await.assert_status(403);
        }
        ada.get("/me").await.assert_status(200);

        // Browsers that send no `Sec-Fetch-Site` are recognised by their `Origin`.
        ada.send(Method::POST, "/sign-out", &[FORM, ("origin", BASE)], Body::empty())
            .await
            .assert_status(303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_cannot_start_linking_an_identity() {
    let google = Provider::start();
    on_each_db_with(google.as_google(), async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        let headers = [("sec-fetch-site", "cross-site")];
        let response = ada.send(Method::GET, "/auth/google?link=1", &headers, Body::empty()).await;
        response.assert_status(303).assert_redirect("/me/security/google");
        let response = ada.get("/auth/google?link=1").await.assert_status(303);
        assert!(response.location().starts_with(&google.issuer), "{}", response.location());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_no_cors_preflight() {
    on_each_db(async |app| {
        let (_, key) = acme(app).await;
        let headers = [("origin", "https://evil.test"), ("access-control-request-method", "GET")];
        let response = key.send(Method::OPTIONS, ACME, &headers, None).await;
        assert!(response.header("access-control-allow-origin").is_empty());
        problem(response, 405, "method_not_allowed");
    })
    .await;
}
