//! Inviting people: a page, which the list of members may also show as a dialog.
use super::{Badge, choices::Choices};
use crate::{
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::Can,
        routes::Routes,
    },
    model::{
        account::LoginType,
        grant::Grant,
        permission::InviteMembers,
        role::{BuiltIn, Reaches},
        text::{self, Email},
    },
    store::{
        Scope,
        grants::{self, Wanted, WantedScope},
        invitations::{self, MOST, Made, Rejected},
    },
    view::page::{Faults, Page},
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

/// What was typed. `role` and `product` come in pairs, one for each grant.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Typed {
    emails: String,
    email: Vec<String>,
    role: Vec<String>,
    product: Vec<String>,
    pub(super) resources: Vec<String>,
    login_type: String,
    pub(super) find: String,
    look: String,
}

impl Typed {
    fn everything(&self) -> String {
        let chips = self.email.iter().map(String::as_str);
        chips.chain([self.emails.as_str()]).collect::<Vec<_>>().join("\n")
    }
    /// None if one of them is no id.
    pub(super) fn resource_ids(&self) -> Option<Vec<Uuid>> {
        self.resources.iter().map(|it| it.parse().ok()).collect()
    }
    /// A product belongs to the roles that are held over one, sources to those that list them: what was chosen for another
    /// role before is not on the screen any more.
    fn wanted(&self) -> Result<Vec<Wanted>> {
        let unknown = || Error::invalid("resources", "unknown_resource", "At least one source is not known.");
        let mut wanted = vec![];
        for (at, role) in self.role.iter().enumerate().filter(|(_, it)| !it.is_empty()) {
            let product = nth_of(&self.product, at);
            let scope = match BuiltIn::parse(role).map_or(Reaches::Anything, BuiltIn::reaches) {
                Reaches::Resources => {
                    Some(WantedScope::Resources { resources: self.resource_ids().ok_or_else(unknown)? })
                }
                Reaches::Products | Reaches::Anything if !product.is_empty() => {
                    Some(WantedScope::Product { product: product.to_owned() })
                }
                _ => None,
            };
            wanted.push(Wanted { role: role.clone(), scope, expires_at: None });
        }
        Ok(wanted)
    }
    fn login(&self) -> LoginType {
        LoginType::parse(&self.login_type).unwrap_or(LoginType::Any)
    }
}

/// An address that stands in the field already.
pub struct Chip {
    text: String,
    bad: bool,
}

/// The form, as `invitations/form.html` draws it.
pub struct Invite {
    base: String,
    choices: Choices,
    typed: Typed,
    role: String,
    product: String,
    chips: Vec<Chip>,
    text: String,
    faults: Faults,
    bad: Vec<Rejected>,
    repeats: String,
    grants: Summary,
}

impl Invite {
    /// An empty form.
    pub async fn new(scope: &mut Scope) -> Result<Invite> {
        Invite::again(scope, Typed::default(), Faults::default(), vec![]).await
    }
    async fn again(
        scope: &mut Scope,
        mut typed: Typed,
        faults: Faults,
        bad: Vec<Rejected>,
    ) -> Result<Invite> {
        let choices = Choices::of(scope, &typed).await?;
        if typed.role.is_empty() {
            let member = choices.roles.iter().find(|it| it.value == BuiltIn::Member.word());
            typed.role.extend(member.or(choices.roles.first()).map(|it| it.value.clone()));
        }
        let (all, repeats) = text::addresses_and_repeats(&typed.everything());
        // Too many to be chips.
        let (chips, text) = if all.len() > MOST {
            (vec![], all.join("\n"))
        } else {
            let is_bad = |it: &str| bad.iter().any(|bad| bad.email == text::shorten(it, 100));
            let chip = |it: String| Chip { bad: is_bad(&it), text: it };
            let chips = text::addresses(&typed.email.join("\n")).into_iter().map(chip).collect();
            (chips, typed.emails.clone())
        };
        let (base, grants) =
            (format!("/a/{}/invitations", scope.who().here.slug), Summary::of(scope, &typed).await?);
        let (role, product) = (nth_of(&typed.role, 0).to_owned(), nth_of(&typed.product, 0).to_owned());
        Ok(Invite {
            base,
            choices,
            typed,
            role,
            product,
            chips,
            text,
            faults,
            bad,
            repeats: repeated(repeats),
            grants,
        })
    }
    /// The roles beside the first.
    fn more(&self) -> [(&'static str, &str, &str); 2] {
        [1, 2].map(|at| {
            let nth = if at == 1 { "Second" } else { "Third" };
            (nth, nth_of(&self.typed.role, at), nth_of(&self.typed.product, at))
        })
    }
    fn has_more(&self) -> bool {
        self.more().iter().any(|it| !it.1.is_empty())
    }
    fn login_type(&self) -> LoginType {
        self.typed.login()
    }
    /// The first few: a list of thousands helps nobody.
    fn bad_some(&self) -> &[Rejected] {
        &self.bad[..self.bad.len().min(10)]
    }
    fn about_roles(&self) -> String {
        self.faults.beside(&["emails"])
    }
}

fn nth_of(all: &[String], at: usize) -> &str {
    all.get(at).map_or("", String::as_str)
}

/// What each of the invited gets, in words, beside the button.
#[derive(Template)]
#[template(path = "invitations/summary.html")]
struct Summary {
    badges: Vec<(Badge, String)>,
    problem: String,
}

impl Summary {
    async fn of(scope: &mut Scope, typed: &Typed) -> Result<Summary> {
        let read = match typed.wanted() {
            Ok(wanted) => grants::parse(scope, &wanted).await,
            Err(error) => Err(error),
        };
        let badge = |it: &Grant| (Badge::of(it), it.says());
        match read {
            Ok(grants) => Ok(Summary { badges: grants.iter().map(badge).collect(), problem: String::new() }),
            Err(Error::Invalid(faults)) => {
                Ok(Summary { badges: vec![], problem: Faults(faults).beside(&[]) })
            }
            Err(other) => Err(other),
        }
    }
}

#[derive(Template)]
#[template(path = "invitations/new.html")]
struct New {
    account: String,
    invite: Invite,
}

async fn draw(
    can: &Can<InviteMembers>,
    page: &Page,
    typed: Typed,
    faults: Faults,
    bad: Vec<Rejected>,
) -> Result<Response> {
    let mut scope = can.read();
    let invite = Invite::again(&mut scope, typed, faults, bad).await?;
    let account = can.me().here.name.clone();
    page.show(&mut scope, "Invite members", New { account, invite }).await
}

async fn show(can: Can<InviteMembers>, page: Page) -> Result<Response> {
    draw(&can, &page, Typed::default(), Faults::default(), vec![]).await
}

/// For who changes a choice with a script.
async fn summary(can: Can<InviteMembers>, page: Page, Query(typed): Query<Typed>) -> Result<Response> {
    let summary = Summary::of(&mut can.read(), &typed).await?;
    let html = summary.render().map_err(|it| Error::Internal(it.to_string()))?;
    Ok(page.whole("", |_| html))
}

/// As long as one address is no address, nobody is invited: the form comes back with the bad ones marked, and what was typed
/// is all there to be mended. Addresses that are well formed and cannot be invited (members, people from outside the
/// organization) keep nobody else from it: the others are invited, and the list says who was not, and why. Only when nobody
/// could be invited does the form come back.
async fn invite(can: Can<InviteMembers>, page: Page, Form(typed): Form<Typed>) -> Result<Response> {
    if !typed.look.is_empty() {
        return draw(&can, &page, typed, Faults::default(), vec![]).await;
    }
    let (list, repeats) = text::addresses_and_repeats(&typed.everything());
    let bad = malformed(&list);
    if !bad.is_empty() {
        return draw(&can, &page.with(422), typed, Faults::default(), bad).await;
    }
    let made = match send(&can, &typed, &list).await {
        Ok(made) => made,
        Err(error) => {
            let (status, faults) = catch(error)?;
            return draw(&can, &page.with(status), typed, faults, vec![]).await;
        }
    };
    if made.created.is_empty() {
        return draw(&can, &page.with(422), typed, Faults::default(), made.rejected).await;
    }
    let (to, text) = (can.path("invitations"), report(&made, repeats));
    Ok(if made.rejected.is_empty() { page.done(&to, text) } else { page.failed(&to, text) })
}

/// None where there are too many to look at one by one: that is said instead.
fn malformed(list: &[String]) -> Vec<Rejected> {
    if list.len() > MOST {
        return vec![];
    }
    let rejected = |it: &String| {
        let refusal = Email::parse(it).err()?;
        Some(Rejected { email: text::shorten(it, 100), code: refusal.code, detail: refusal.detail })
    };
    list.iter().filter_map(rejected).collect()
}

async fn send(can: &Can<InviteMembers>, typed: &Typed, list: &[String]) -> Result<Made> {
    let wanted = typed.wanted()?;
    can.change(async |change| {
        let grants = grants::parse(change, &wanted).await?;
        if let Err(missing) = change.who().rights.cover_all(&grants) {
            let detail = format!(
                "You cannot grant what you do not hold yourself: {} ({}).",
                missing.key(),
                missing.says()
            );
            return Err(Error::Barred { code: EXCEEDS, detail });
        }
        invitations::invite(change, list, &grants, typed.login()).await
    })
    .await
}

const EXCEEDS: &str = "grants_exceed";

fn catch(error: Error) -> Result<(u16, Faults)> {
    match error {
        Error::Barred { code: EXCEEDS, detail } => {
            Ok((403, Faults(vec![crate::error::Fault::new("role", EXCEEDS, detail)])))
        }
        other => Faults::catch(other),
    }
}

fn report(made: &Made, repeats: usize) -> String {
    let mut text = match made.created.len() {
        1 => "Invited 1 person.".to_owned(),
        many => format!("Invited {many} people."),
    };
    for it in made.rejected.iter().take(3) {
        let _ = write!(text, " Not invited: {}", it.detail);
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
        1 => "One address was there twice, and counts once.".to_owned(),
        many => format!("{many} addresses were there more than once, and count once."),
    }
}
