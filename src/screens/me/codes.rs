//! Recovery codes: shown once, to print or download.
use crate::{
    error::Result,
    http::{
        form::Form,
        gate::SignedIn,
        reauth::{ReauthForm, ReauthInput},
        routes::Routes,
    },
    store::factors::{self, CODES},
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;

pub(super) fn routes() -> Routes {
    Routes::default().get("/me/security/recovery-codes", show).post("/me/security/recovery-codes", renew)
}

#[derive(Template)]
#[template(path = "me/security/recovery_codes.html")]
struct RecoveryCodesPage {
    unused_count: i64,
    total: usize,
    reauth: ReauthForm,
    errors: FormErrors,
}

#[derive(Template)]
#[template(path = "me/security/new_codes.html")]
struct NewCodesPage {
    codes: Vec<String>,
    /// A `data:` URL of the same codes as a text file.
    file: String,
    next: String,
}

/// Shows new codes: they are stored as hashes, so this is the only time.
pub(super) async fn show_new(
    signed: &SignedIn,
    page: &Page,
    codes: Vec<String>,
    next: &str,
) -> Result<Response> {
    let text = format!(
        "Recovery codes of {} for {}\nEach works once.\n\n{}\n",
        signed.user().email,
        signed.context().config.base_url,
        codes.join("\n")
    );
    let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let file = format!("data:text/plain;charset=utf-8,{}", encoded.replace('+', "%20"));
    let codes_page = NewCodesPage { codes, file, next: next.to_owned() };
    let mut scope = signed.read();
    page.show(&mut scope, "Recovery codes", codes_page).await
}

async fn show(signed: SignedIn, page: Page) -> Result<Response> {
    show_form(&signed, &page, FormErrors::default()).await
}

async fn show_form(signed: &SignedIn, page: &Page, errors: FormErrors) -> Result<Response> {
    let reauth = signed.reauth_form().await?;
    let mut scope = signed.read();
    let available = factors::available(&mut scope, signed.user().id).await?;
    if !available.has_second() {
        return Ok(page.to("/me/security"));
    }
    page.show(
        &mut scope,
        "New recovery codes",
        RecoveryCodesPage { unused_count: available.codes, total: CODES, reauth, errors },
    )
    .await
}

async fn renew(signed: SignedIn, page: Page, Form(input): Form<ReauthInput>) -> Result<Response> {
    let result = match signed.reauthenticate(&input).await {
        Ok(recent_auth) => signed.change(async |change| factors::new_codes(change, &recent_auth).await).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(codes) => show_new(&signed, &page, codes, "/me/security").await,
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_form(&signed, &page.with(status), errors).await
        }
    }
}
