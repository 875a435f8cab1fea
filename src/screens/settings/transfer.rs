//! Ownership: offered by the owner, accepted or declined by the other side.
use super::settings;
use crate::{
    error::{Error, Fault, Result},
    http::{
        form::{Form, Query},
        gate::Can,
        reauth::{Given, Proof},
        routes::Routes,
    },
    model::{
        id::MembershipId,
        permission::{Inside, Permission, TransferAccount},
    },
    store::{
        Change,
        members::{self, Filter, Sort},
        transfers,
    },
    view::page::{Faults, Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/settings/transfer", show)
        .post("/a/{slug}/settings/transfer", offer)
        .post("/a/{slug}/settings/transfer/withdraw", withdraw)
        .post("/a/{slug}/settings/transfer/accept", accept)
        .post("/a/{slug}/settings/transfer/decline", decline)
}

/// How many members are offered at once; who is not among them is searched for.
const MOST: i64 = 50;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    q: String,
    to: String,
    confirm: String,
    #[serde(flatten)]
    proof: Given,
}

#[derive(Template)]
#[template(path = "settings/transfer.html")]
struct Index {
    slug: String,
    noun: &'static str,
    typed: Typed,
    faults: Faults,
    proof: Proof,
    choices: Vec<Choice>,
    more: bool,
}

struct Choice {
    id: String,
    name: String,
    hint: String,
}

async fn show(can: Can<TransferAccount>, page: Page, Query(it): Query<Typed>) -> Result<Response> {
    let it = Typed { q: it.q, to: it.to, ..Typed::default() };
    ask(&can, &page, it, Faults::default()).await
}

async fn ask(can: &Can<TransferAccount>, page: &Page, typed: Typed, faults: Faults) -> Result<Response> {
    let here = &can.me().here;
    let proof = can.proof().await?;
    let mut scope = can.read();
    let filter = Filter {
        search: typed.q.clone(),
        status: "active".into(),
        sort: Sort::Name,
        limit: MOST + 1,
        ..Filter::default()
    };
    let found = members::list(&mut scope, &filter).await?;
    let others = found.members.into_iter().filter(|it| !it.is_owner);
    let choices = others.take(usize::try_from(MOST).unwrap_or(0)).map(|it| {
        let roles: Vec<String> = it.grants.iter().map(crate::model::grant::Grant::title).collect();
        let hint = if roles.is_empty() { "No role".to_owned() } else { roles.join(", ") };
        let hint = format!("{} · {hint}", it.person.email);
        Choice { id: it.id.to_string(), name: it.person.name, hint }
    });
    let index = Index {
        slug: here.slug.clone(),
        noun: here.kind.noun(),
        choices: choices.collect(),
        more: found.next.is_some(),
        proof,
        typed,
        faults,
    };
    page.show(&mut scope, "Transfer ownership", index).await
}

async fn offer(can: Can<TransferAccount>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    match begin(&can, &it).await {
        Ok(name) => {
            let said = format!("The ownership is offered to {name}. Nothing changes until they accept.");
            Ok(page.done(&can.path("settings"), said))
        }
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&can, &page.with(status), it, faults).await
        }
    }
}

async fn begin(can: &Can<TransferAccount>, it: &Typed) -> Result<String> {
    let slug = &can.me().here.slug;
    let mut faults = vec![];
    let to = it.to.parse::<MembershipId>().ok();
    if to.is_none() {
        faults.push(Fault::new("to", "required", "Choose who becomes the owner."));
    }
    if it.confirm.trim() != slug {
        faults.push(Fault::new("confirm", "mismatch", format!("Type {slug} to confirm.")));
    }
    let Some(to) = to.filter(|_| faults.is_empty()) else { return Err(Error::Invalid(faults)) };
    let fresh = can.prove(&it.proof).await?;
    let made = can.change(async |change| transfers::offer(change, &fresh, to).await).await?;
    Ok(made.to.name)
}

async fn withdraw(can: Can<TransferAccount>, page: Page) -> Result<Response> {
    answer(&can, page, "The offer is withdrawn.", transfers::withdraw).await
}

async fn accept(can: Can<Inside>, page: Page) -> Result<Response> {
    let said = format!("You are now the owner of {}.", can.me().here.name);
    answer(&can, page, &said, transfers::accept).await
}

async fn decline(can: Can<Inside>, page: Page) -> Result<Response> {
    answer(&can, page, "You declined. The owner stays the owner.", transfers::decline).await
}

/// Does it, or shows the settings with the sentence that says why not.
async fn answer<P: crate::model::permission::Needs>(
    can: &Can<P>,
    page: Page,
    said: &str,
    act: impl AsyncFnOnce(&mut Change) -> Result<()>,
) -> Result<Response> {
    match can.change(act).await {
        Ok(()) => Ok(page.done(&can.path("settings"), said)),
        Err(error @ Error::Conflict { .. }) if can.me().may(Permission::ViewAccount) => {
            let (status, faults) = Faults::catch(error)?;
            settings(can, &page.with(status), None, faults).await
        }
        Err(other) => Err(other),
    }
}
