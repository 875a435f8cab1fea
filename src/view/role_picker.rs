//! Roles as forms ask for them: pairs of `role` and `product` in their order, a grant each; and roles over chosen resources,
//! `listed_role` with its ticks in `listed`. Grants that neither can say (with an end) are kept by `keep`, their id.
use crate::{
    error::{Error, Result},
    model::{
        access::Entry,
        catalog::Catalog,
        grant::{Grant, Listed, Over, Role},
        id::GrantId,
        permission::Permission,
        role::{BuiltIn, Reaches},
    },
    store::{
        Scope,
        grants::{self, Wanted, WantedScope},
        roles,
        scopable_resources::{MOST, Source},
    },
    view::page::Faults,
};
use uuid::Uuid;

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

/// A role over chosen resources.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// What is chosen; empty for nothing.
    pub role: String,
    /// What can be ticked.
    pub sources: Vec<Offered>,
    /// What is wrong with it.
    pub error: String,
}

impl Chosen {
    fn is_begun(&self) -> bool {
        !self.role.is_empty() || self.sources.iter().any(|it| it.chosen)
    }
}

/// A resource that can be ticked.
#[derive(Clone, Debug)]
pub struct Offered {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its kind, in words.
    pub kind: String,
    /// Whether it is ticked.
    pub chosen: bool,
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
    /// Roles that can be held over chosen resources.
    pub listable: Vec<Choice>,
    /// Those that are held so, and one more.
    pub lists: Vec<Chosen>,
    /// Which of `lists` is the one more.
    pub new_list: usize,
    /// What was searched for.
    pub find: String,
    /// Whether there are more resources than are offered.
    pub more_sources: bool,
    /// Where a search is sent.
    pub look: String,
    /// What neither can say.
    pub kept: Vec<Kept>,
    /// What is wrong with all of it.
    pub error: String,
    sources: Vec<Offered>,
}

/// So many held lists can be changed; the others are kept or not.
const LISTS: usize = 3;

impl RolePicker {
    /// What the viewer may give, over these resources among others, and one empty line.
    pub fn offer(
        who: &Entry,
        catalog: &Catalog,
        custom: &[roles::Role],
        sources: &[Source],
        look: String,
    ) -> RolePicker {
        let products: Vec<_> = catalog.products.iter().map(|it| (it.id.clone(), it.name.clone())).collect();
        let may_give = |grant: Grant| {
            let over = |over| Grant { over, ..grant.clone() };
            let partly = grant.may_reach() != Reaches::Account
                && products.iter().any(|it| who.rights.cover(&over(Over::Product(it.0.clone()))).is_ok());
            partly || who.rights.cover(&grant).is_ok()
        };
        let may_list = |grant: Grant| {
            let one = |it: &Source| vec![Listed { id: it.id, product: it.product.clone() }];
            let over = |it| Grant { over: Over::Resources(one(it)), ..grant.clone() };
            sources.iter().any(|it| who.rights.cover(&over(it)).is_ok())
        };
        let whole_of = |it: &BuiltIn| Grant::whole(*it, who.here.admins_may_delete);
        let choice = |it: &BuiltIn| Choice {
            value: it.word().into(),
            title: it.title().into(),
            says: it.says().into(),
        };
        let is_listed = |it: &&BuiltIn| it.reaches() == Reaches::Resources;
        let built_in = BuiltIn::GRANTABLE.iter().filter(|it| !is_listed(it) && may_give(whole_of(it)));
        let listed = BuiltIn::GRANTABLE.iter().filter(|it| is_listed(it) && may_list(whole_of(it)));
        let listed_custom = custom.iter().filter(|it| may_list(whole(it))).map(custom_choice);
        let offered = |it: &Source| Offered {
            id: it.id.to_string(),
            name: it.name.clone(),
            kind: catalog.kind_name(&it.kind).to_owned(),
            chosen: false,
        };
        RolePicker {
            built_in: built_in.map(choice).collect(),
            custom: custom.iter().filter(|it| may_give(whole(it))).map(custom_choice).collect(),
            products,
            lines: vec![Line::default()],
            listable: listed.map(choice).chain(listed_custom).collect(),
            more_sources: sources.len() > MOST,
            sources: sources.iter().take(MOST).map(offered).collect(),
            look,
            ..RolePicker::default()
        }
        .with_lists(vec![])
    }
    /// All roles on offer, each once.
    pub fn offered(&self) -> impl Iterator<Item = &Choice> {
        let once = |it: &&Choice| self.custom.iter().all(|had| had.value != it.value);
        self.built_in.iter().chain(self.listable.iter().filter(once)).chain(&self.custom)
    }
    /// Whether roles over chosen resources are held, or being chosen.
    pub fn has_lists(&self) -> bool {
        self.lists.len() > 1 || !self.find.is_empty() || self.lists.iter().any(Chosen::is_begun)
    }
    /// Whether a list is the empty one after others.
    pub fn is_spare(&self, at: &usize) -> bool {
        *at > 0 && *at == self.new_list && !self.lists[*at].is_begun()
    }
    /// With what somebody holds, and one more line.
    #[must_use]
    pub fn holding(mut self, held: &[Grant]) -> RolePicker {
        let lists = self.editable(held);
        let is_list = |it: &Grant| it.id.is_some_and(|id| lists.contains(&id));
        let lines = held.iter().filter(|it| self.can_say(it)).map(line);
        let lines: Vec<Line> = lines.chain([Line::default()]).collect();
        let kept = held.iter().filter(|it| !self.can_say(it) && !is_list(it));
        self.kept = kept.filter_map(|it| Self::kept(it, true)).collect();
        self.lines = lines;
        let chosen = |it: &Grant| Chosen {
            role: value(it),
            sources: self.ticked(&listed_of(it)),
            error: String::new(),
        };
        let lists = held.iter().filter(|it| is_list(it)).map(chosen).collect();
        self.with_lists(lists)
    }
    /// With what was typed, and what is wrong with it.
    #[must_use]
    pub fn typed(mut self, typed: &Typed, held: &[Grant], faults: &Faults) -> RolePicker {
        let error = |place: String| {
            let of_place = |it: &&crate::error::Fault| it.field.starts_with(&place);
            faults.0.iter().find(of_place).map(|it| it.detail.clone()).unwrap_or_default()
        };
        let lines = typed.lines().enumerate().map(|(at, (role, product))| Line {
            role: role.to_owned(),
            product: product.to_owned(),
            error: error(format!("grants/{at}/")),
        });
        self.lines = lines.collect();
        if self.lines.last().is_none_or(|it| !it.role.is_empty()) {
            self.lines.push(Line::default());
        }
        let lists = self.editable(held);
        let is_list = |it: &Grant| it.id.is_some_and(|id| lists.contains(&id));
        let kept = held.iter().filter(|it| !self.can_say(it) && !is_list(it));
        let ticked = |it: &Grant| it.id.is_some_and(|id| typed.keep.contains(&id.to_string()));
        self.kept = kept.filter_map(|it| Self::kept(it, ticked(it))).collect();
        faults.of("grants").clone_into(&mut self.error);
        self.find.clone_from(&typed.find);
        let chosen = |(at, role): (usize, &String)| Chosen {
            role: role.clone(),
            sources: self.ticked(&typed.listed_at(at).map(str::to_owned).collect::<Vec<_>>()),
            error: error(format!("lists/{at}/")),
        };
        let lists = typed.listed_role.iter().take(LISTS + 1).enumerate().map(chosen).collect::<Vec<_>>();
        let new = typed.listed_new.parse().unwrap_or(usize::MAX);
        if new < lists.len() {
            self.lists = lists;
            self.new_list = new;
            return self;
        }
        self.with_lists(lists)
    }
    fn with_lists(mut self, mut lists: Vec<Chosen>) -> RolePicker {
        self.new_list = lists.len();
        lists.push(Chosen { sources: self.sources.clone(), ..Chosen::default() });
        self.lists = lists;
        self
    }
    fn ticked(&self, ids: &[String]) -> Vec<Offered> {
        let tick = |it: &Offered| Offered { chosen: ids.contains(&it.id), ..it.clone() };
        let mut all: Vec<Offered> = self.sources.iter().map(tick).collect();
        all.sort_by_key(|it| !it.chosen);
        all
    }
    /// The held grants over resources that can be changed here: all that they list is offered.
    fn editable(&self, held: &[Grant]) -> Vec<GrantId> {
        let is_editable = |it: &&Grant| {
            matches!(it.over, Over::Resources(_))
                && it.expires_at.is_none()
                && self.listable.iter().any(|choice| choice.value == value(it))
                && listed_of(it).iter().all(|id| self.sources.iter().any(|it| it.id == *id))
        };
        held.iter().filter(is_editable).filter_map(|it| it.id).take(LISTS).collect()
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

fn listed_of(grant: &Grant) -> Vec<String> {
    let Over::Resources(listed) = &grant.over else { return vec![] };
    listed.iter().map(|it| it.id.to_string()).collect()
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
    /// `listed_role`, as often as there are lists of resources.
    pub listed_role: Vec<String>,
    /// `listed`: what is ticked, as the list's number, a colon, the resource's id.
    pub listed: Vec<String>,
    /// Which of the lists was an empty one.
    pub listed_new: String,
    /// What resource is searched for.
    pub find: String,
}

impl Typed {
    /// Whether there is anything in it.
    pub fn is_empty(&self) -> bool {
        self.role.is_empty() && self.listed_role.is_empty() && self.find.is_empty()
    }
    /// All that is ticked.
    pub fn ticked(&self) -> Vec<Uuid> {
        let id = |it: &String| it.split_once(':')?.1.parse().ok();
        self.listed.iter().filter_map(id).collect()
    }
    fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        let products = self.product.iter().map(String::as_str).chain(std::iter::repeat(""));
        self.role.iter().map(String::as_str).zip(products)
    }
    fn listed_at(&self, at: usize) -> impl Iterator<Item = &str> {
        let of = move |it: &'_ &String| it.split_once(':').is_some_and(|(list, _)| list == at.to_string());
        self.listed.iter().filter(of).filter_map(|it| Some(it.split_once(':')?.1))
    }
    /// The grants that it says, for somebody who holds `held`. Faults are numbered by line and by list.
    pub async fn grants(&self, scope: &mut Scope, held: &[Grant]) -> Result<Vec<Grant>> {
        let stays = |it: &&Grant| it.id.is_some_and(|id| self.keep.contains(&id.to_string()));
        let kept: Vec<Grant> = held.iter().filter(stays).cloned().collect();
        if kept.len() < self.keep.len() {
            let detail = "The roles were changed by somebody else in the meantime. Look again, then save.";
            return Err(Error::conflict("changed_meanwhile", detail));
        }
        let filled = self.lines().enumerate().filter(|(_, (role, _))| !role.is_empty());
        let (mut places, mut wishes): (Vec<String>, Vec<Wanted>) =
            filled.map(|(at, it)| (format!("grants/{at}"), wanted(it))).unzip();
        for (at, role) in self.listed_role.iter().enumerate() {
            if let Some(wish) = self.list(at, role)? {
                places.push(format!("lists/{at}"));
                wishes.push(wish);
            }
        }
        if wishes.is_empty() && !kept.is_empty() {
            return Ok(kept);
        }
        let mut grants = grants::parse(scope, &wishes).await.map_err(|it| by_place(it, &places))?;
        grants.extend(kept);
        Ok(grants)
    }
    fn list(&self, at: usize, role: &str) -> Result<Option<Wanted>> {
        let fault = |code, detail: &str| Err(Error::invalid(format!("lists/{at}/resources"), code, detail));
        let Ok(resources) = self.listed_at(at).map(str::parse).collect::<Result<Vec<Uuid>, _>>() else {
            return fault("unknown_resource", "At least one of these resources is not in this account.");
        };
        if !role.is_empty() {
            let scope = Some(WantedScope::Resources { resources });
            return Ok(Some(Wanted { role: role.to_owned(), scope, expires_at: None }));
        }
        // A list that was held, and has no role any more, goes with its ticks.
        if !resources.is_empty() && self.listed_new == at.to_string() {
            return fault("required", "Choose the role that is held over what is ticked, or untick it.");
        }
        Ok(None)
    }
}

fn wanted((role, product): (&str, &str)) -> Wanted {
    let over = |product: &str| WantedScope::Product { product: product.to_owned() };
    let scope = (!product.is_empty()).then(|| over(product));
    Wanted { role: role.to_owned(), scope, expires_at: None }
}

/// What is empty is not parsed, and yet has its place in the form.
fn by_place(error: Error, places: &[String]) -> Error {
    let Error::Invalid(mut faults) = error else { return error };
    for fault in &mut faults {
        let Some((at, field)) = fault.field.strip_prefix("grants/").and_then(|it| it.split_once('/')) else {
            continue;
        };
        if let Some(place) = at.parse().ok().and_then(|at: usize| places.get(at)) {
            fault.field = format!("{place}/{field}");
        }
    }
    Error::Invalid(faults)
}
