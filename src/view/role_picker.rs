//! Form fields for roles: pairs of `role` and `product`, one for each grant; and roles over chosen resources, `listed_role` with
//! the ticked resources in `listed`. Grants that neither can express (those that expire) stay through `keep`, their id.
use crate::{
    error::{Error, Result},
    model::{
        access::Access,
        catalog::Catalog,
        grant::{Grant, GrantScope, Role, ScopedResource},
        id::GrantId,
        permission::Permission,
        role::{BuiltIn, ScopeKind},
    },
    store::{
        Scope,
        grants::{self, GrantRequest, GrantScopeRequest},
        roles,
        scopable_resources::{MOST, ScopableResource},
    },
    view::form_errors::FormErrors,
};
use uuid::Uuid;

/// The title of a grant, coloured by product.
#[derive(Clone, Debug)]
pub struct Badge {
    /// `Video developer`.
    pub label: String,
    /// A tone of `ui::badge` and `ui::tile`; empty for none.
    pub tone: &'static str,
    /// An id of `static/icons.svg`; empty for none.
    pub icon: String,
}

impl Badge {
    pub fn of(grant: &Grant, catalog: &Catalog) -> Badge {
        let (tone, icon) = match (&grant.role, grant.product()) {
            (Role::BuiltIn(BuiltIn::Owner), _) => ("owner", "crown"),
            (_, Some(product)) => (catalog.product_tone(product), catalog.product_icon(product)),
            (_, None) => ("", ""),
        };
        Badge { label: grant.title(), tone, icon: icon.to_owned() }
    }
}

#[derive(Clone, Debug)]
pub struct RoleOption {
    /// The value of `role`.
    pub value: String,
    pub title: String,
    pub description: String,
}

/// A pair of selects.
#[derive(Clone, Debug, Default)]
pub struct RoleLine {
    /// Empty for no role.
    pub role: String,
    /// A product's id; empty for all.
    pub product: String,
    pub error: String,
}

/// A role over chosen resources.
#[derive(Clone, Debug, Default)]
pub struct ResourceRoleLine {
    /// Empty for no role.
    pub role: String,
    pub sources: Vec<ResourceOption>,
    pub error: String,
}

impl ResourceRoleLine {
    fn is_begun(&self) -> bool {
        !self.role.is_empty() || self.sources.iter().any(|source| source.chosen)
    }
}

#[derive(Clone, Debug)]
pub struct ResourceOption {
    pub id: String,
    pub name: String,
    /// The name of its kind.
    pub kind: String,
    pub chosen: bool,
}

/// A grant that stays unless it is unticked.
#[derive(Clone, Debug)]
pub struct KeptGrant {
    /// The value of `keep`.
    pub id: String,
    /// `Video source-specific`.
    pub title: String,
    pub checked: bool,
}

/// The fields of a form. A template has it as `picker` and includes `role_picker/lines.html`.
#[derive(Clone, Debug, Default)]
pub struct RolePicker {
    /// Built-in roles that the user may give.
    pub built_in: Vec<RoleOption>,
    /// Custom roles that the user may give.
    pub custom: Vec<RoleOption>,
    /// Ids and names of the products.
    pub products: Vec<(String, String)>,
    pub lines: Vec<RoleLine>,
    /// Roles that can be given over chosen resources.
    pub listable: Vec<RoleOption>,
    /// The roles held over chosen resources, and an empty line.
    pub lists: Vec<ResourceRoleLine>,
    /// The index of the empty line in `lists`.
    pub new_list: usize,
    /// The search for a resource.
    pub find: String,
    /// Whether there are more resources than are offered.
    pub more_sources: bool,
    /// Where the search is sent; empty if there is none.
    pub search_path: String,
    /// Grants that neither kind of line can express.
    pub kept: Vec<KeptGrant>,
    pub error: String,
    sources: Vec<ResourceOption>,
}

/// The most lists that the form can change; further ones can only be kept or dropped.
const MAX_LISTS: usize = 3;

impl RolePicker {
    /// The roles that the user may give, and one empty line. `sources` are resources that can be ticked.
    pub fn offer(
        access: &Access,
        catalog: &Catalog,
        custom: &[roles::Role],
        sources: &[ScopableResource],
        search_path: String,
    ) -> RolePicker {
        let products: Vec<_> =
            catalog.products.iter().map(|product| (product.id.clone(), product.name.clone())).collect();
        let may_give = |grant: Grant| {
            let over = |over| Grant { over, ..grant.clone() };
            let partly = grant.scope_kind() != ScopeKind::Account
                && products.iter().any(|product| {
                    access.rights.cover(&over(GrantScope::Product(product.0.clone()))).is_ok()
                });
            partly || access.rights.cover(&grant).is_ok()
        };
        let may_list = |grant: Grant| {
            let scoped_resource = |source: &ScopableResource| {
                vec![ScopedResource { id: source.id, product: source.product.clone() }]
            };
            let over =
                |source| Grant { over: GrantScope::Resources(scoped_resource(source)), ..grant.clone() };
            sources.iter().any(|source| access.rights.cover(&over(source)).is_ok())
        };
        let whole_of = |role: &BuiltIn| Grant::whole(*role, access.account.admins_may_delete);
        let choice = |role: &BuiltIn| RoleOption {
            value: role.as_str().into(),
            title: role.label().into(),
            description: role.description().into(),
        };
        let is_listed = |role: &&BuiltIn| role.scope_kind() == ScopeKind::Resources;
        let built_in = BuiltIn::GRANTABLE.iter().filter(|role| !is_listed(role) && may_give(whole_of(role)));
        let listed = BuiltIn::GRANTABLE.iter().filter(|role| is_listed(role) && may_list(whole_of(role)));
        let listed_custom = custom.iter().filter(|role| may_list(whole_account(role))).map(custom_choice);
        let offered = |source: &ScopableResource| ResourceOption {
            id: source.id.to_string(),
            name: source.name.clone(),
            kind: catalog.kind_name(&source.kind).to_owned(),
            chosen: false,
        };
        RolePicker {
            built_in: built_in.map(choice).collect(),
            custom: custom.iter().filter(|role| may_give(whole_account(role))).map(custom_choice).collect(),
            products,
            lines: vec![RoleLine::default()],
            listable: listed.map(choice).chain(listed_custom).collect(),
            more_sources: sources.len() > MOST,
            sources: sources.iter().take(MOST).map(offered).collect(),
            search_path,
            ..RolePicker::default()
        }
        .with_lists(vec![])
    }
    /// All roles on offer, each once.
    pub fn offered(&self) -> impl Iterator<Item = &RoleOption> {
        let once = |option: &&RoleOption| self.custom.iter().all(|custom| custom.value != option.value);
        self.built_in.iter().chain(self.listable.iter().filter(once)).chain(&self.custom)
    }
    /// Whether roles over chosen resources are held, or being chosen.
    pub fn has_lists(&self) -> bool {
        self.lists.len() > 1 || !self.find.is_empty() || self.lists.iter().any(ResourceRoleLine::is_begun)
    }
    /// Whether this is the empty list after others.
    pub fn is_spare(&self, at: &usize) -> bool {
        *at > 0 && *at == self.new_list && !self.lists[*at].is_begun()
    }
    /// Filled with what a member holds, and one empty line.
    #[must_use]
    pub fn holding(mut self, held: &[Grant]) -> RolePicker {
        let lists = self.editable(held);
        let is_list = |grant: &Grant| grant.id.is_some_and(|id| lists.contains(&id));
        let lines = held.iter().filter(|grant| self.can_express(grant)).map(line);
        let lines: Vec<RoleLine> = lines.chain([RoleLine::default()]).collect();
        let kept = held.iter().filter(|grant| !self.can_express(grant) && !is_list(grant));
        self.kept = kept.filter_map(|grant| Self::kept(grant, true)).collect();
        self.lines = lines;
        let chosen = |grant: &Grant| ResourceRoleLine {
            role: value(grant),
            sources: self.ticked(&listed_of(grant)),
            error: String::new(),
        };
        let lists = held.iter().filter(|grant| is_list(grant)).map(chosen).collect();
        self.with_lists(lists)
    }
    /// Filled with what was typed, and its errors.
    #[must_use]
    pub fn typed(mut self, typed: &RolePickerForm, held: &[Grant], errors: &FormErrors) -> RolePicker {
        let error = |position: String| {
            let of_place = |error: &&crate::error::FieldError| error.field.starts_with(&position);
            errors.0.iter().find(of_place).map(|error| error.detail.clone()).unwrap_or_default()
        };
        let lines = typed.lines().enumerate().map(|(at, (role, product))| RoleLine {
            role: role.to_owned(),
            product: product.to_owned(),
            error: error(format!("grants/{at}/")),
        });
        self.lines = lines.collect();
        if self.lines.last().is_none_or(|line| !line.role.is_empty()) {
            self.lines.push(RoleLine::default());
        }
        let lists = self.editable(held);
        let is_list = |grant: &Grant| grant.id.is_some_and(|id| lists.contains(&id));
        let kept = held.iter().filter(|grant| !self.can_express(grant) && !is_list(grant));
        let ticked = |grant: &Grant| grant.id.is_some_and(|id| typed.keep.contains(&id.to_string()));
        self.kept = kept.filter_map(|grant| Self::kept(grant, ticked(grant))).collect();
        errors.of("grants").clone_into(&mut self.error);
        self.find.clone_from(&typed.find);
        let chosen = |(at, role): (usize, &String)| ResourceRoleLine {
            role: role.clone(),
            sources: self.ticked(&typed.listed_at(at).map(str::to_owned).collect::<Vec<_>>()),
            error: error(format!("lists/{at}/")),
        };
        let lists = typed.listed_role.iter().take(MAX_LISTS + 1).enumerate().map(chosen).collect::<Vec<_>>();
        let new = typed.listed_new.parse().unwrap_or(usize::MAX);
        if new < lists.len() {
            self.lists = lists;
            self.new_list = new;
            return self;
        }
        self.with_lists(lists)
    }
    fn with_lists(mut self, mut lists: Vec<ResourceRoleLine>) -> RolePicker {
        self.new_list = lists.len();
        lists.push(ResourceRoleLine { sources: self.sources.clone(), ..ResourceRoleLine::default() });
        self.lists = lists;
        self
    }
    fn ticked(&self, ids: &[String]) -> Vec<ResourceOption> {
        let tick = |resource: &ResourceOption| ResourceOption {
            chosen: ids.contains(&resource.id),
            ..resource.clone()
        };
        let mut all: Vec<ResourceOption> = self.sources.iter().map(tick).collect();
        all.sort_by_key(|resource| !resource.chosen);
        all
    }
    /// The held grants over resources that the form can change: those whose resources are all offered.
    fn editable(&self, held: &[Grant]) -> Vec<GrantId> {
        let is_editable = |grant: &&Grant| {
            matches!(grant.over, GrantScope::Resources(_))
                && grant.expires_at.is_none()
                && self.listable.iter().any(|choice| choice.value == value(grant))
                && listed_of(grant).iter().all(|id| self.sources.iter().any(|resource| resource.id == *id))
        };
        held.iter().filter(is_editable).filter_map(|grant| grant.id).take(MAX_LISTS).collect()
    }
    fn kept(grant: &Grant, checked: bool) -> Option<KeptGrant> {
        Some(KeptGrant { id: grant.id?.to_string(), title: grant.title(), checked })
    }
    /// Whether a role and a product express the whole grant.
    fn can_express(&self, grant: &Grant) -> bool {
        let role = value(grant);
        let is_offered = self.built_in.iter().chain(&self.custom).any(|choice| choice.value == role);
        let is_product_here = match &grant.over {
            GrantScope::Account => true,
            GrantScope::Product(product) => self.products.iter().any(|(id, _)| id == product),
            GrantScope::Resources(_) => false,
        };
        is_offered && is_product_here && grant.expires_at.is_none()
    }
}

fn listed_of(grant: &Grant) -> Vec<String> {
    let GrantScope::Resources(listed) = &grant.over else { return vec![] };
    listed.iter().map(|resource| resource.id.to_string()).collect()
}

fn value(grant: &Grant) -> String {
    match &grant.role {
        Role::BuiltIn(role) => role.as_str().to_owned(),
        Role::Custom(id, _) => id.to_string(),
    }
}

fn line(grant: &Grant) -> RoleLine {
    let product = grant.product().unwrap_or_default().to_owned();
    RoleLine { role: value(grant), product, error: String::new() }
}

fn whole_account(custom: &roles::Role) -> Grant {
    let role = Role::Custom(custom.id, custom.name.clone());
    Grant { id: None, role, over: GrantScope::Account, allows: custom.permissions, expires_at: None }
}

fn custom_choice(role: &roles::Role) -> RoleOption {
    let description = if role.description.is_empty() {
        let all: Vec<&str> = role.permissions.iter().map(Permission::description).collect();
        format!("{}.", all.join("; "))
    } else {
        role.description.clone()
    };
    RoleOption { value: role.id.to_string(), title: role.name.clone(), description }
}

#[derive(Clone, Debug, Default)]
pub struct RolePickerForm {
    /// One for each line.
    pub role: Vec<String>,
    /// One for each line.
    pub product: Vec<String>,
    /// The ids of grants that stay.
    pub keep: Vec<String>,
    /// One for each list of resources.
    pub listed_role: Vec<String>,
    /// The ticked resources, each as `<index of the list>:<id of the resource>`.
    pub listed: Vec<String>,
    /// The index of the list that was empty.
    pub listed_new: String,
    pub find: String,
}

impl RolePickerForm {
    pub fn is_empty(&self) -> bool {
        self.role.is_empty() && self.listed_role.is_empty() && self.find.is_empty()
    }
    /// The ticked resources of all lists.
    pub fn ticked(&self) -> Vec<Uuid> {
        let id = |text: &String| text.split_once(':')?.1.parse().ok();
        self.listed.iter().filter_map(id).collect()
    }
    fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        let products = self.product.iter().map(String::as_str).chain(std::iter::repeat(""));
        self.role.iter().map(String::as_str).zip(products)
    }
    fn listed_at(&self, at: usize) -> impl Iterator<Item = &str> {
        let of =
            move |tick: &'_ &String| tick.split_once(':').is_some_and(|(list, _)| list == at.to_string());
        self.listed.iter().filter(of).filter_map(|tick| Some(tick.split_once(':')?.1))
    }
    /// The chosen grants, for a member who holds `held`. Errors are numbered by line and by list.
    pub async fn grants(&self, scope: &mut Scope<Access>, held: &[Grant]) -> Result<Vec<Grant>> {
        let is_kept = |grant: &&Grant| grant.id.is_some_and(|id| self.keep.contains(&id.to_string()));
        let kept: Vec<Grant> = held.iter().filter(is_kept).cloned().collect();
        if kept.len() < self.keep.len() {
            let detail = "The roles were changed by somebody else in the meantime. Look again, then save.";
            return Err(Error::conflict("changed_meanwhile", detail));
        }
        let filled = self.lines().enumerate().filter(|(_, (role, _))| !role.is_empty());
        let (mut positions, mut requests): (Vec<String>, Vec<GrantRequest>) =
            filled.map(|(at, line)| (format!("grants/{at}"), grant_request(line))).unzip();
        for (at, role) in self.listed_role.iter().enumerate() {
            if let Some(request) = self.list(at, role)? {
                positions.push(format!("lists/{at}"));
                requests.push(request);
            }
        }
        if requests.is_empty() && !kept.is_empty() {
            return Ok(kept);
        }
        let mut grants =
            grants::parse(scope, &requests).await.map_err(|error| by_form_position(error, &positions))?;
        grants.extend(kept);
        Ok(grants)
    }
    fn list(&self, at: usize, role: &str) -> Result<Option<GrantRequest>> {
        let error = |code, detail: &str| Err(Error::invalid(format!("lists/{at}/resources"), code, detail));
        let Ok(resources) = self.listed_at(at).map(str::parse).collect::<Result<Vec<Uuid>, _>>() else {
            return error("unknown_resource", "At least one of these resources is not in this account.");
        };
        if !role.is_empty() {
            let scope = Some(GrantScopeRequest::Resources { resources });
            return Ok(Some(GrantRequest { role: role.to_owned(), scope, expires_at: None }));
        }
        // A list that was held before loses its grant when its role is cleared, ticks or not.
        if !resources.is_empty() && self.listed_new == at.to_string() {
            return error("required", "Choose the role that is held over what is ticked, or untick it.");
        }
        Ok(None)
    }
}

fn grant_request((role, product): (&str, &str)) -> GrantRequest {
    let over = |product: &str| GrantScopeRequest::Product { product: product.to_owned() };
    let scope = (!product.is_empty()).then(|| over(product));
    GrantRequest { role: role.to_owned(), scope, expires_at: None }
}

/// Empty lines are not parsed, so the positions of errors are those among the filled lines: this maps them to the form's.
fn by_form_position(error: Error, positions: &[String]) -> Error {
    let Error::Validation(mut errors) = error else { return error };
    for error in &mut errors {
        let Some((at, field)) = error.field.strip_prefix("grants/").and_then(|rest| rest.split_once('/'))
        else {
            continue;
        };
        if let Some(position) = at.parse().ok().and_then(|at: usize| positions.get(at)) {
            error.field = format!("{position}/{field}");
        }
    }
    Error::Validation(errors)
}
