//! Transfer of ownership: offered by the owner, accepted or declined by the member.
use super::settings;
use crate::{
    error::{Error, FieldError, Result},
    http::{
        form::{Form, Query},
        gate::Can,
        reauth::{ReauthForm, ReauthInput},
        routes::Routes,
    },
    model::{
        access::Access,
        id::MembershipId,
        permission::{AnyMember, Permission, TransferAccount},
    },
    store::{
        Change,
        members::{self, Filter, Sort},
        transfers,
    },
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/settings/transfer", show)
        .post("/a/{slug}/settings/transfer", offer)
        .post("/a/{slug}/settings/transfer/withdraw", withdraw)
        .post("/a/{slug}/settings/transfer/accept", accept)
        .post("/a/{slug}/settings/transfer/decline", decline)
}

/// More members are found by search.
const MAX_CHOICES: i64 = 50;

#[derive(Default, Deserialize)]
#[serde(default)]
struct TransferForm {
    q: String,
    to: String,
    confirm: String,
    #[serde(flatten)]
    reauth: ReauthInput,
}

#[derive(Template)]
#[template(path = "settings/transfer.html")]
struct TransferPage {
    slug: String,
    noun: &'static str,
    form: TransferForm,
    errors: FormErrors,
    reauth: ReauthForm,
    choices: Vec<MemberChoice>,
    more: bool,
}

struct MemberChoice {
    id: String,
    name: String,
    hint: String,
}

async fn show(can: Can<TransferAccount>, page: Page, Query(query): Query<TransferForm>) -> Result<Response> {
    let form = TransferForm { q: query.q, to: query.to, ..TransferForm::default() };
    ask(&can, &page, form, FormErrors::default()).await
}

async fn ask(
    can: &Can<TransferAccount>,
    page: &Page,
    form: TransferForm,
    errors: FormErrors,
) -> Result<Response> {
    let account = &can.access().account;
    let reauth = can.reauth_form().await?;
    let mut scope = can.read();
    let filter = Filter {
        search: form.q.clone(),
        status: "active".into(),
        sort: Sort::Name,
        limit: MAX_CHOICES + 1,
        ..Filter::default()
    };
    let found = members::list(&mut scope, &filter).await?;
    let others = found.members.into_iter().filter(|member| !member.is_owner);
    let choices = others.take(usize::try_from(MAX_CHOICES).unwrap_or(0)).map(|member| {
        let roles: Vec<String> = member.grants.iter().map(crate::model::grant::Grant::title).collect();
        let hint = if roles.is_empty() { "No role".to_owned() } else { roles.join(", ") };
        let hint = format!("{} · {hint}", member.person.email);
        MemberChoice { id: member.id.to_string(), name: member.person.name, hint }
    });
    let body = TransferPage {
        slug: account.slug.clone(),
        noun: account.kind.noun(),
        choices: choices.collect(),
        more: found.next.is_some(),
        reauth,
        form,
        errors,
    };
    page.show(&mut scope, "Transfer ownership", body).await
}

async fn offer(can: Can<TransferAccount>, page: Page, Form(form): Form<TransferForm>) -> Result<Response> {
    match make_offer(&can, &form).await {
        Ok(name) => {
            let message = format!("The ownership is offered to {name}. Nothing changes until they accept.");
            Ok(page.done(&can.path("settings"), message))
        }
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            ask(&can, &page.with(status), form, errors).await
        }
    }
}

async fn make_offer(can: &Can<TransferAccount>, form: &TransferForm) -> Result<String> {
    let slug = &can.access().account.slug;
    let mut errors = vec![];
    let to = form.to.parse::<MembershipId>().ok();
    if to.is_none() {
        errors.push(FieldError::new("to", "required", "Choose who becomes the owner."));
    }
    if form.confirm.trim() != slug {
        errors.push(FieldError::new("confirm", "mismatch", format!("Type {slug} to confirm.")));
    }
    let Some(to) = to.filter(|_| errors.is_empty()) else { return Err(Error::Validation(errors)) };
    let fresh = can.reauthenticate(&form.reauth).await?;
    let offer = can.change(async |change| transfers::offer(change, &fresh, to).await).await?;
    Ok(offer.to.name)
}

async fn withdraw(can: Can<TransferAccount>, page: Page) -> Result<Response> {
    answer(&can, page, "The offer is withdrawn.", transfers::withdraw).await
}

async fn accept(can: Can<AnyMember>, page: Page) -> Result<Response> {
    let message = format!("You are now the owner of {}.", can.access().account.name);
    answer(&can, page, &message, transfers::accept).await
}

async fn decline(can: Can<AnyMember>, page: Page) -> Result<Response> {
    answer(&can, page, "You declined. The owner stays the owner.", transfers::decline).await
}

/// Answers the offer, or shows the settings with the reason why that is not possible.
async fn answer<P: crate::model::permission::Needs>(
    can: &Can<P>,
    page: Page,
    message: &str,
    act: impl AsyncFnOnce(&mut Change<Access>) -> Result<()>,
) -> Result<Response> {
    match can.change(act).await {
        Ok(()) => Ok(page.done(&can.path("settings"), message)),
        Err(error @ Error::Conflict { .. }) if can.access().may(Permission::ViewAccount) => {
            let (status, errors) = FormErrors::catch(error)?;
            settings(can, &page.with(status), None, errors).await
        }
        Err(other) => Err(other),
    }
}
