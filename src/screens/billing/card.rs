//! A card: entered on the payment provider's own page, and never here.
use crate::{
    clients::payments::Failure,
    error::{Error, Result},
    http::{gate::Can, routes::Routes},
    model::permission::ManageBilling,
    store::{billing, payments},
    view::page::Page,
};
use askama::Template;
use axum::response::Response;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().post("/a/{slug}/billing/card", go)
}

/// A link, for a form of ours leads nowhere else.
#[derive(Template)]
#[template(path = "billing/card.html")]
struct Index {
    slug: String,
    url: String,
}

async fn go(can: Can<ManageBilling>, page: Page) -> Result<Response> {
    let here = &can.me().here;
    if here.parent.is_some() {
        return Err(Error::conflict("parent_pays", "A team has no bills of its own."));
    }
    let till = can.app().till().clone();
    let back = can.kit().url(&can.path("billing"));
    let (known, facts) = {
        let mut scope = can.read();
        (payments::customer(&mut scope).await?, billing::facts(&mut scope, here.id, None, 0).await?)
    };
    // The provider is asked outside of any transaction.
    let asked = async {
        let customer = match known {
            Some(it) => it,
            None => {
                let email = &facts.details.email;
                let email = if email.is_empty() { &facts.owner_email } else { email };
                till.customer(here.id, &facts.name, email).await?
            }
        };
        let url = till.card_page(&customer, &back).await?;
        Ok::<_, Failure>((customer, url))
    };
    let (customer, url) = match asked.await {
        Ok(it) => it,
        Err(failure) => {
            tracing::warn!(%failure, "no page for a card");
            let said =
                "The payment provider could not be reached. Nothing was changed. Try again in a minute.";
            return Ok(page.failed(&can.path("billing"), said));
        }
    };
    can.change(async |change| payments::set_customer(change, &customer).await).await?;
    let index = Index { slug: here.slug.clone(), url };
    page.show(&mut can.read(), "Card", index).await
}
