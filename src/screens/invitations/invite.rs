//! Inviting people: a page, which the list of members also shows as a dialog.
use super::choices::InviteChoices;
use crate::{
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::Can,
        routes::Routes,
    },
    model::{
        access::Access,
        account::LoginType,
        grant::Grant,
        permission::InviteMembers,
        role::{BuiltIn, ScopeKind},
        text::{self, EmailAddress},
    },
    store::{
        Scope,
        grants::{self, GrantRequest, GrantScopeRequest},
        invitations::{self, InviteResult, MOST, RejectedEmail},
    },
    view::{form_errors::FormErrors, page::Page, role_picker::Badge},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;
use std::fmt::Write as _;
use uuid::Uuid;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/invitations/new", show)
        .get("/a/{slug}/invitations/summary", summary)
        .post("/a/{slug}/invitations", invite)
}

/// `role` and `product` come in pairs, one for each grant.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct InviteForm {
    emails: String,
    email: Vec<String>,
    role: Vec<String>,
    product: Vec<String>,
    pub(super) resources: Vec<String>,
    login_type: String,
    pub(super) find: String,
    /// Set by the button that searches the sources: nobody is to be invited yet.
    look: String,
}

impl InviteForm {
    fn all_addresses(&self) -> String {
        let chips = self.email.iter().map(String::as_str);
        chips.chain([self.emails.as_str()]).collect::<Vec<_>>().join("\n")
    }
    /// None if one of them is not an id.
    pub(super) fn resource_ids(&self) -> Option<Vec<Uuid>> {
        self.resources.iter().map(|id| id.parse().ok()).collect()
    }
    /// The product counts for roles that are held over a product, the sources for roles that list them: what was chosen for
    /// another role before is hidden, but still sent.
    fn grant_requests(&self) -> Result<Vec<GrantRequest>> {
        let unknown = || Error::invalid("resources", "unknown_resource", "At least one source is not known.");
        let mut requests = vec![];
        for (position, role) in self.role.iter().enumerate().filter(|(_, role)| !role.is_empty()) {
            let product = nth_of(&self.product, position);
            let scope = match BuiltIn::parse(role).map_or(ScopeKind::Anything, BuiltIn::scope_kind) {
                ScopeKind::Resources => {
                    Some(GrantScopeRequest::Resources { resources: self.resource_ids().ok_or_else(unknown)? })
                }
                ScopeKind::Products | ScopeKind::Anything if !product.is_empty() => {
                    Some(GrantScopeRequest::Product { product: product.to_owned() })
                }
                _ => None,
            };
            requests.push(GrantRequest { role: role.clone(), scope, expires_at: None });
        }
        Ok(requests)
    }
    fn login_type(&self) -> LoginType {
        LoginType::parse(&self.login_type).unwrap_or(LoginType::Any)
    }
}

/// An address in the field.
pub struct Chip {
    text: String,
    is_rejected: bool,
}

/// The form, as `invitations/form.html` draws it.
pub struct Invite {
    base: String,
    choices: InviteChoices,
    form: InviteForm,
    role: String,
    product: String,
    chips: Vec<Chip>,
    text: String,
    errors: FormErrors,
    rejected: Vec<RejectedEmail>,
    repeats: String,
    grants: GrantsSummary,
}

impl Invite {
    /// An empty form.
    pub async fn new(scope: &mut Scope<Access>) -> Result<Invite> {
        Invite::with(scope, InviteForm::default(), FormErrors::default(), vec![]).await
    }
    async fn with(
        scope: &mut Scope<Access>,
        mut form: InviteForm,
        errors: FormErrors,
        rejected: Vec<RejectedEmail>,
    ) -> Result<Invite> {
        let choices = InviteChoices::of(scope, &form).await?;
        if form.role.is_empty() {
            let member = choices.roles.iter().find(|role| role.value == BuiltIn::Member.as_str());
            form.role.extend(member.or(choices.roles.first()).map(|role| role.value.clone()));
        }
        let (addresses, repeats) = text::addresses_and_repeats(&form.all_addresses());
        // Too many for one chip each.
        let (chips, text) = if addresses.len() > MOST {
            (vec![], addresses.join("\n"))
        } else {
            let is_rejected =
                |address: &str| rejected.iter().any(|rejected| rejected.email == text::shorten(address, 100));
            let chip = |address: String| Chip { is_rejected: is_rejected(&address), text: address };
            let chips = text::addresses(&form.email.join("\n")).into_iter().map(chip).collect();
            (chips, form.emails.clone())
        };
        let (base, grants) = (
            format!("/a/{}/invitations", scope.access().account.slug),
            GrantsSummary::of(scope, &form).await?,
        );
        let (role, product) = (nth_of(&form.role, 0).to_owned(), nth_of(&form.product, 0).to_owned());
        Ok(Invite {
            base,
            choices,
            form,
            role,
            product,
            chips,
            text,
            errors,
            rejected,
            repeats: repeated(repeats),
            grants,
        })
    }
    /// The second and the third role.
    fn more(&self) -> [(&'static str, &str, &str); 2] {
        [1, 2].map(|position| {
            let nth = if position == 1 { "Second" } else { "Third" };
            (nth, nth_of(&self.form.role, position), nth_of(&self.form.product, position))
        })
    }
    fn has_more(&self) -> bool {
        self.more().iter().any(|role| !role.1.is_empty())
    }
    fn login_type(&self) -> LoginType {
        self.form.login_type()
    }
    /// The first few: a list of thousands helps nobody.
    fn first_rejected(&self) -> &[RejectedEmail] {
        &self.rejected[..self.rejected.len().min(10)]
    }
    fn about_roles(&self) -> String {
        self.errors.beside(&["emails"])
    }
}

fn nth_of(values: &[String], position: usize) -> &str {
    values.get(position).map_or("", String::as_str)
}

/// What each invited person gets, in words, beside the button.
#[derive(Template)]
#[template(path = "invitations/summary.html")]
struct GrantsSummary {
    badges: Vec<(Badge, String)>,
    problem: String,
}

impl GrantsSummary {
    async fn of(scope: &mut Scope<Access>, form: &InviteForm) -> Result<GrantsSummary> {
        let parsed = match form.grant_requests() {
            Ok(requests) => grants::parse(scope, &requests).await,
            Err(error) => Err(error),
        };
        let catalog = scope.context().catalog.clone();
        let badge = |grant: &Grant| (Badge::of(grant, &catalog), grant.description());
        match parsed {
            Ok(grants) => {
                Ok(GrantsSummary { badges: grants.iter().map(badge).collect(), problem: String::new() })
            }
            Err(Error::Validation(errors)) => {
                Ok(GrantsSummary { badges: vec![], problem: FormErrors(errors).beside(&[]) })
            }
            Err(other) => Err(other),
        }
    }
}

#[derive(Template)]
#[template(path = "invitations/new.html")]
struct InvitePage {
    account: String,
    invite: Invite,
}

async fn draw(
    can: &Can<InviteMembers>,
    page: &Page,
    form: InviteForm,
    errors: FormErrors,
    rejected: Vec<RejectedEmail>,
) -> Result<Response> {
    let mut scope = can.read();
    let invite = Invite::with(&mut scope, form, errors, rejected).await?;
    let account = can.access().account.name.clone();
    page.show(&mut scope, "Invite members", InvitePage { account, invite }).await
}

async fn show(can: Can<InviteMembers>, page: Page) -> Result<Response> {
    draw(&can, &page, InviteForm::default(), FormErrors::default(), vec![]).await
}

/// The summary beside the button, fetched by the script when a choice changes.
async fn summary(can: Can<InviteMembers>, page: Page, Query(form): Query<InviteForm>) -> Result<Response> {
    let summary = GrantsSummary::of(&mut can.read(), &form).await?;
    let html = summary.render().map_err(|error| Error::Internal(error.to_string()))?;
    Ok(page.whole("", |_| html))
}

/// While one address is malformed, nobody is invited: the form comes back with those marked and everything else as it was.
/// Well-formed addresses that cannot be invited (members, people from outside the organization) do not hold up the others:
/// those are invited, and the list says who was not and why. The form comes back only if nobody could be invited.
async fn invite(can: Can<InviteMembers>, page: Page, Form(form): Form<InviteForm>) -> Result<Response> {
    if !form.look.is_empty() {
        return draw(&can, &page, form, FormErrors::default(), vec![]).await;
    }
    let (list, repeats) = text::addresses_and_repeats(&form.all_addresses());
    let rejected = malformed(&list);
    if !rejected.is_empty() {
        return draw(&can, &page.with(422), form, FormErrors::default(), rejected).await;
    }
    let made = match send(&can, &form, &list).await {
        Ok(made) => made,
        Err(error) => {
            let (status, errors) = catch(error)?;
            return draw(&can, &page.with(status), form, errors, vec![]).await;
        }
    };
    if made.created.is_empty() {
        return draw(&can, &page.with(422), form, FormErrors::default(), made.rejected).await;
    }
    let (to, text) = (can.path("invitations"), report(&made, repeats));
    Ok(if made.rejected.is_empty() { page.done(&to, text) } else { page.failed(&to, text) })
}

/// Empty if there are too many addresses at once: sending them reports that instead.
fn malformed(list: &[String]) -> Vec<RejectedEmail> {
    if list.len() > MOST {
        return vec![];
    }
    let rejected = |address: &String| {
        let error = EmailAddress::parse(address).err()?;
        Some(RejectedEmail { email: text::shorten(address, 100), code: error.code, detail: error.detail })
    };
    list.iter().filter_map(rejected).collect()
}

async fn send(can: &Can<InviteMembers>, form: &InviteForm, list: &[String]) -> Result<InviteResult> {
    let requests = form.grant_requests()?;
    can.change(async |change| {
        let grants = grants::parse(change, &requests).await?;
        if let Err(missing) = change.access().rights.cover_all(&grants) {
            let detail = format!(
                "You cannot grant what you do not hold yourself: {} ({}).",
                missing.key(),
                missing.description()
            );
            return Err(Error::AccessDenied { code: EXCEEDS, detail });
        }
        invitations::invite(change, list, &grants, form.login_type()).await
    })
    .await
}

const EXCEEDS: &str = "grants_exceed";

fn catch(error: Error) -> Result<(u16, FormErrors)> {
    match error {
        Error::AccessDenied { code: EXCEEDS, detail } => {
            Ok((403, FormErrors(vec![crate::error::FieldError::new("role", EXCEEDS, detail)])))
        }
        other => FormErrors::catch(other),
    }
}

fn report(made: &InviteResult, repeats: usize) -> String {
    let mut text = match made.created.len() {
        1 => "Invited 1 person.".to_owned(),
        many => format!("Invited {many} people."),
    };
    for rejected in made.rejected.iter().take(3) {
        let _ = write!(text, " Not invited: {}", rejected.detail);
    }
    match made.rejected.len().saturating_sub(3) {
        0 => {}
        more => {
            let _ = write!(text, " And {more} more were not invited.");
        }
    }
    let repeats = repeated(repeats);
    if !repeats.is_empty() {
        let _ = write!(text, " {repeats}");
    }
    text
}

fn repeated(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "One address was entered twice and is counted once.".to_owned(),
        many => format!("{many} addresses were entered more than once and are counted once."),
    }
}
