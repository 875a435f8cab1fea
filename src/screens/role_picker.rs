//! Roles as forms ask for them: pairs of `role` and `product` in their order, a grant each. Grants that a pair cannot say
//! (over resources, or with an end) are kept by `keep`, their id.
use crate::{
    app::page::Faults,
    error::{Error, Result},
    model::{
        catalog::Catalog,
        entry::Entry,
        grant::{Grant, Over, Role},
        permission::Permission,
        role::{BuiltIn, Reaches},
    },
    store::{
        Scope,
        grants::{self, Wanted, WantedScope},
        roles,
    },
};

/// A role's mark: its title, coloured by product.
#[derive(Clone, Debug)]
pub struct Badge {
    /// `Video developer`.
    pub label: String,
    /// A tone of `ui::badge` and `ui::tile`; empty for none.
    pub tone: &'static str,
    /// Its glyph.
    pub icon: &'static str,
}

impl Badge {
    /// Of a grant.
    pub fn of(grant: &Grant) -> Badge {
        let (tone, icon) = match (&grant.role, grant.product()) {
            (Role::BuiltIn(BuiltIn::Owner), _) => ("owner", "crown"),
            (_, Some("video")) => ("video", "film"),
            (_, Some("image")) => ("image", "image"),
            _ => ("", ""),
        };
        Badge { label: grant.title(), tone, icon }
    }
}

/// A role that can be chosen.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The value of `role`.
    pub value: String,
    /// As people say it.
    pub title: String,
    /// What it gives, in a sentence.
    pub says: String,
}

/// One pair of selects.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// What is chosen; empty for nothing.
    pub role: String,
    /// A product's word; empty for all.
    pub product: String,
    /// What is wrong with it.
    pub error: String,
}

/// A grant that stays unless it is unticked.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The value of `keep`.
    pub id: String,
    /// `Video source-specific`.
    pub title: String,
    /// Whether it is ticked.
    pub checked: bool,
}

/// The fields of a form. Its template includes `role_picker/lines.html`, and has it as `picker`.
#[derive(Clone, Debug, Default)]
pub struct RolePicker {
    /// Built-in roles that the viewer may give.
    pub built_in: Vec<Choice>,
    /// Custom roles that the viewer may give.
    pub custom: Vec<Choice>,
    /// Words and names of the products.
    pub products: Vec<(String, String)>,
    /// As many as the form asks for.
    pub lines: Vec<Line>,
    /// What a line cannot say.
    pub kept: Vec<Kept>,
    /// What is wrong with all of it.
    pub error: String,
}

impl RolePicker {
    /// What the viewer may give, and one empty line.
    pub fn offer(who: &Entry, catalog: &Catalog, custom: &[roles::Role]) -> RolePicker {
        let products: Vec<_> = catalog.products.iter().map(|it| (it.id.clone(), it.name.clone())).collect();
        let may_give = |grant: Grant| {
            let over = |over| Grant { over, ..grant.clone() };
            let partly = grant.may_reach() != Reaches::Account
                && products.iter().any(|it| who.rights.cover(&over(Over::Product(it.0.clone()))).is_ok());
            partly || who.rights.cover(&grant).is_ok()
        };
        // A role that needs a list of resources cannot be chosen by a role and a product.
        let built_in = BuiltIn::GRANTABLE.iter().filter(|it| it.reaches() != Reaches::Resources);
        let built_in = built_in.filter(|it| may_give(Grant::whole(**it, who.here.admins_may_delete)));
        let choice = |it: &BuiltIn| Choice {
            value: it.word().into(),
            title: it.title().into(),
            says: it.says().into(),
        };
        let built_in = built_in.map(choice).collect();
        let custom = custom.iter().filter(|it| may_give(whole(it))).map(custom_choice).collect();
        RolePicker { built_in, custom, products, lines: vec![Line::default()], ..RolePicker::default() }
    }
    /// With what somebody holds, and one more line.
    #[must_use]
    pub fn holding(mut self, held: &[Grant]) -> RolePicker {
        let (lines, kept): (Vec<&Grant>, Vec<&Grant>) = held.iter().partition(|it| self.can_say(it));
        self.lines = lines.into_iter().map(line).chain([Line::default()]).collect();
        self.kept = kept.into_iter().filter_map(|it| Self::kept(it, true)).collect();
        self
    }
    /// With what was typed, and what is wrong with it.
    #[must_use]
    pub fn typed(mut self, typed: &Typed, held: &[Grant], faults: &Faults) -> RolePicker {
        let error = |at: usize| {
            let of_line = |it: &&crate::error::Fault| it.field.starts_with(&format!("grants/{at}/"));
            faults.0.iter().find(of_line).map(|it| it.detail.clone()).unwrap_or_default()
        };
        let lines = typed.lines().enumerate().map(|(at, (role, product))| Line {
            role: role.to_owned(),
            product: product.to_owned(),
            error: error(at),
        });
        self.lines = lines.collect();
        if self.lines.last().is_none_or(|it| !it.role.is_empty()) {
            self.lines.push(Line::default());
        }
        let kept = held.iter().filter(|it| !self.can_say(it));
        let ticked = |it: &Grant| it.id.is_some_and(|id| typed.keep.contains(&id.to_string()));
        self.kept = kept.filter_map(|it| Self::kept(it, ticked(it))).collect();
        faults.of("grants").clone_into(&mut self.error);
        self
    }
    fn kept(grant: &Grant, checked: bool) -> Option<Kept> {
        Some(Kept { id: grant.id?.to_string(), title: grant.title(), checked })
    }
    /// Whether a role and a product say all of it.
    fn can_say(&self, grant: &Grant) -> bool {
        let role = value(grant);
        let is_offered = self.built_in.iter().chain(&self.custom).any(|it| it.value == role);
        let is_product_here = match &grant.over {
            Over::Account => true,
            Over::Product(it) => self.products.iter().any(|(id, _)| id == it),
            Over::Resources(_) => false,
        };
        is_offered && is_product_here && grant.expires_at.is_none()
    }
}

fn value(grant: &Grant) -> String {
    match &grant.role {
        Role::BuiltIn(it) => it.word().to_owned(),
        Role::Custom(id, _) => id.to_string(),
    }
}

fn line(grant: &Grant) -> Line {
    let product = grant.product().unwrap_or_default().to_owned();
    Line { role: value(grant), product, error: String::new() }
}

fn whole(it: &roles::Role) -> Grant {
    let role = Role::Custom(it.id, it.name.clone());
    Grant { id: None, role, over: Over::Account, allows: it.permissions, expires_at: None }
}

fn custom_choice(it: &roles::Role) -> Choice {
    let says = if it.description.is_empty() {
        let all: Vec<&str> = it.permissions.iter().map(Permission::says).collect();
        format!("{}.", all.join("; "))
    } else {
        it.description.clone()
    };
    Choice { value: it.id.to_string(), title: it.name.clone(), says }
}

/// What a form sends.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// `role`, as often as there are lines.
    pub role: Vec<String>,
    /// `product`, likewise.
    pub product: Vec<String>,
    /// `keep`: the ids of grants that stay.
    pub keep: Vec<String>,
}

impl Typed {
    fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        let products = self.product.iter().map(String::as_str).chain(std::iter::repeat(""));
        self.role.iter().map(String::as_str).zip(products)
    }
    /// The grants that it says, for somebody who holds `held`. Faults are numbered by line.
    pub async fn grants(&self, scope: &mut Scope, held: &[Grant]) -> Result<Vec<Grant>> {
        let stays = |it: &&Grant| it.id.is_some_and(|id| self.keep.contains(&id.to_string()));
        let kept: Vec<Grant> = held.iter().filter(stays).cloned().collect();
        if kept.len() < self.keep.len() {
            let detail = "The roles were changed by somebody else in the meantime. Look again, then save.";
            return Err(Error::conflict("changed_meanwhile", detail));
        }
        let filled = self.lines().enumerate().filter(|(_, (role, _))| !role.is_empty());
        let (at, wanted): (Vec<usize>, Vec<Wanted>) = filled.map(|(at, it)| (at, wanted(it))).unzip();
        if wanted.is_empty() && !kept.is_empty() {
            return Ok(kept);
        }
        let mut grants = grants::parse(scope, &wanted).await.map_err(|it| by_line(it, &at))?;
        grants.extend(kept);
        Ok(grants)
    }
}

fn wanted((role, product): (&str, &str)) -> Wanted {
    let over = |product: &str| WantedScope::Product { product: product.to_owned() };
    let scope = (!product.is_empty()).then(|| over(product));
    Wanted { role: role.to_owned(), scope, expires_at: None }
}

/// Empty lines are not parsed, and yet counted.
fn by_line(error: Error, lines: &[usize]) -> Error {
    let Error::Invalid(mut faults) = error else { return error };
    for fault in &mut faults {
        let Some((at, field)) = fault.field.strip_prefix("grants/").and_then(|it| it.split_once('/')) else {
            continue;
        };
        if let Some(line) = at.parse().ok().and_then(|at: usize| lines.get(at)) {
            fault.field = format!("grants/{line}/{field}");
        }
    }
    Error::Invalid(faults)
}
