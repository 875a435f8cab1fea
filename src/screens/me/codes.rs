//! Recovery codes: shown once, to be printed or downloaded.
use crate::{
    error::Result,
    http::{
        form::Form,
        gate::SignedIn,
        reauth::{Given, Proof},
        routes::Routes,
    },
    store::factors::{self, CODES},
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;

pub(super) fn routes() -> Routes {
    Routes::default().get("/me/security/recovery-codes", show).post("/me/security/recovery-codes", renew)
}

#[derive(Template)]
#[template(path = "me/security/recovery_codes.html")]
struct Renew {
    left: i64,
    of: usize,
    proof: Proof,
    faults: Faults,
}

#[derive(Template)]
#[template(path = "me/security/new_codes.html")]
struct NewCodes {
    codes: Vec<String>,
    /// The same as a file, in an address that holds it.
    file: String,
    next: String,
}

/// The codes, this once.
pub(super) async fn show_new(
    signed: &SignedIn,
    page: &Page,
    codes: Vec<String>,
    next: &str,
) -> Result<Response> {
    let text = format!(
        "Recovery codes of {} for {}\nEach works once.\n\n{}\n",
        signed.me().person.email,
        signed.kit().rules.base_url,
        codes.join("\n")
    );
    let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let file = format!("data:text/plain;charset=utf-8,{}", encoded.replace('+', "%20"));
    let it = NewCodes { codes, file, next: next.to_owned() };
    let mut scope = signed.read();
    page.show(&mut scope, "Recovery codes", it).await
}

async fn show(signed: SignedIn, page: Page) -> Result<Response> {
    ask(&signed, &page, Faults::default()).await
}

async fn ask(signed: &SignedIn, page: &Page, faults: Faults) -> Result<Response> {
    let proof = signed.proof().await?;
    let mut scope = signed.read();
    let ways = factors::ways(&mut scope, signed.me().person.id).await?;
    if !ways.has_second() {
        return Ok(page.to("/me/security"));
    }
    page.show(&mut scope, "New recovery codes", Renew { left: ways.codes, of: CODES, proof, faults }).await
}

async fn renew(signed: SignedIn, page: Page, Form(it): Form<Given>) -> Result<Response> {
    let done = match signed.prove(&it).await {
        Ok(fresh) => signed.change(async |change| factors::new_codes(change, &fresh).await).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(codes) => show_new(&signed, &page, codes, "/me/security").await,
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&signed, &page.with(status), faults).await
        }
    }
}
