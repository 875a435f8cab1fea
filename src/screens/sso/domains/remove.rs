//! Removing a domain. The page lists the consequences first.
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{Can, PathId},
        reauth::{ReauthForm, ReauthInput},
        routes::Routes,
    },
    model::{id::DomainId, permission::ManageSso},
    store::domains,
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;

pub(super) fn routes() -> Routes {
    let path = "/a/{slug}/sso/domains/{id}/remove";
    Routes::default().get(path, show).post(path, remove)
}

#[derive(Template)]
#[template(path = "sso/domains/remove.html")]
struct RemoveDomainPage {
    slug: String,
    id: DomainId,
    domain: String,
    is_verified: bool,
    is_last: bool,
    reauth: ReauthForm,
    errors: FormErrors,
}

async fn show(can: Can<ManageSso>, page: Page, PathId(id): PathId<DomainId>) -> Result<Response> {
    ask(&can, &page, id, FormErrors::default()).await
}

async fn ask(can: &Can<ManageSso>, page: &Page, id: DomainId, errors: FormErrors) -> Result<Response> {
    let reauth = can.reauth_form().await?;
    let mut scope = can.read();
    let domains_listed = domains::list(&mut scope).await?;
    let claimed = domains_listed.iter().find(|domain| domain.id == id).ok_or(Error::NotFound)?;
    let is_verified = claimed.verified_at.is_some();
    let is_last =
        is_verified && domains_listed.iter().filter(|domain| domain.verified_at.is_some()).count() == 1;
    let (slug, domain) = (can.slug().to_owned(), claimed.domain.clone());
    let title = format!("Remove {domain}");
    page.show(&mut scope, &title, RemoveDomainPage { slug, id, domain, is_verified, is_last, reauth, errors })
        .await
}

async fn remove(
    can: Can<ManageSso>,
    page: Page,
    PathId(id): PathId<DomainId>,
    Form(form): Form<ReauthInput>,
) -> Result<Response> {
    let done = async {
        let fresh = can.reauthenticate(&form).await?;
        can.change(async |change| domains::remove(change, &fresh, id).await).await
    };
    match done.await {
        Ok(name) => Ok(page.done(&can.path("sso/domains"), format!("{name} is removed."))),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            ask(&can, &page.with(status), id, errors).await
        }
    }
}
