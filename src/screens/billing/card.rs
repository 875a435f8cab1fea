//! A card is entered on the payment provider's own page, never account.
use crate::{
    clients::payments::PaymentError,
    error::{Error, Result},
    http::{gate::Can, routes::Routes},
    model::permission::ManageBilling,
    store::{billing, payments},
    view::page::Page,
};
use askama::Template;
use axum::response::Response;

pub fn routes() -> Routes {
    Routes::default().post("/a/{slug}/billing/card", start)
}

/// A link: our own content security policy lets no form lead to another site.
#[derive(Template)]
#[template(path = "billing/card.html")]
struct CardPage {
    slug: String,
    url: String,
}

async fn start(can: Can<ManageBilling>, page: Page) -> Result<Response> {
    let account = &can.access().account;
    if account.parent.is_some() {
        return Err(Error::conflict("parent_pays", "A team has no bills of its own."));
    }
    let till = can.app().payment_provider().clone();
    let back = can.context().url(&can.path("billing"));
    let (known, facts) = {
        let mut scope = can.read();
        (payments::customer(&mut scope).await?, billing::facts(&mut scope, account.id, None, 0).await?)
    };
    // The provider is called outside of any transaction.
    let set_up = async {
        let customer = match known {
            Some(customer) => customer,
            None => {
                let email = &facts.details.email;
                let email = if email.is_empty() { &facts.owner_email } else { email };
                till.create_customer(account.id, &facts.name, email).await?
            }
        };
        let url = till.card_setup_url(&customer, &back).await?;
        Ok::<_, PaymentError>((customer, url))
    };
    let (customer, url) = match set_up.await {
        Ok(found) => found,
        Err(failure) => {
            tracing::warn!(%failure, "the payment provider gave no page for a card");
            let message =
                "The payment provider could not be reached. Nothing was changed. Try again in a minute.";
            return Ok(page.failed(&can.path("billing"), message));
        }
    };
    can.change(async |change| payments::set_customer(change, &customer).await).await?;
    let card_page = CardPage { slug: account.slug.clone(), url };
    page.show(&mut can.read(), "Card", card_page).await
}
