//! Taking a domain away: what ends with it is said first.
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{At, Can},
        reauth::{Given, Proof},
        routes::Routes,
    },
    model::{id::DomainId, permission::ManageSso},
    store::domains,
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;

pub(super) fn routes() -> Routes {
    let path = "/a/{slug}/sso/domains/{id}/remove";
    Routes::default().get(path, show).post(path, remove)
}

#[derive(Template)]
#[template(path = "sso/domains/remove.html")]
struct Index {
    slug: String,
    id: DomainId,
    domain: String,
    is_verified: bool,
    is_last: bool,
    proof: Proof,
    faults: Faults,
}

async fn show(can: Can<ManageSso>, page: Page, At(id): At<DomainId>) -> Result<Response> {
    ask(&can, &page, id, Faults::default()).await
}

async fn ask(can: &Can<ManageSso>, page: &Page, id: DomainId, faults: Faults) -> Result<Response> {
    let proof = can.proof().await?;
    let mut scope = can.read();
    let all = domains::list(&mut scope).await?;
    let it = all.iter().find(|it| it.id == id).ok_or(Error::NotFound)?;
    let is_verified = it.verified_at.is_some();
    let is_last = is_verified && all.iter().filter(|it| it.verified_at.is_some()).count() == 1;
    let (slug, domain) = (can.slug().to_owned(), it.domain.clone());
    let title = format!("Remove {domain}");
    page.show(&mut scope, &title, Index { slug, id, domain, is_verified, is_last, proof, faults }).await
}

async fn remove(
    can: Can<ManageSso>,
    page: Page,
    At(id): At<DomainId>,
    Form(it): Form<Given>,
) -> Result<Response> {
    let done = async {
        let fresh = can.prove(&it).await?;
        can.change(async |change| domains::remove(change, &fresh, id).await).await
    };
    match done.await {
        Ok(name) => Ok(page.done(&can.path("sso/domains"), format!("{name} is removed."))),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&can, &page.with(status), id, faults).await
        }
    }
}
