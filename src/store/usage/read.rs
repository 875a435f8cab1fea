//! What pages, files and programs read: sums of days, never events. How much of them, the reader's `Sight` says, in SQL.
use crate::{
    db::{List, Query},
    error::{Error, Result},
    model::{
        access::Entry,
        calendar::Day,
        grant::Grant,
        id::{AccountId, KeyId, MembershipId, ResourceId, UserId},
        quantity::Quantity,
        resource::{Place, Visibility},
        usage::{Axis, Sight},
    },
    store::{
        Scope,
        grants::{self, grants_of},
    },
};
use uuid::Uuid;

/// Which usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// From this day on.
    pub from: Day,
    /// Before this day.
    pub to: Day,
    /// Of this meter.
    pub meter: Option<String>,
    /// Of this product; empty for what names none.
    pub product: Option<String>,
    /// Of this model; empty for what names none.
    pub model: Option<String>,
    /// Of this person; nil for what is the account's own.
    pub member: Option<UserId>,
    /// Of this key; nil for what was reported without one.
    pub key: Option<KeyId>,
    /// Of this account alone: a team, or the organization without its teams.
    pub team: Option<AccountId>,
    /// Of this resource; nil for what names none.
    pub resource: Option<ResourceId>,
}

impl Filter {
    /// All of some days.
    pub fn days(from: Day, to: Day) -> Filter {
        Filter {
            from,
            to,
            meter: None,
            product: None,
            model: None,
            member: None,
            key: None,
            team: None,
            resource: None,
        }
    }
}

macro_rules! seen {
    ($within:literal, $axes:literal) => {
        concat!(
            "select ", $axes, "
                cast(sum(whole) as bigint) as whole, cast(sum(nanos) as bigint) as nanos
            from usage_days where ", $within, " = $1 and day >= $2 and day < $3
                and ($4 or product = any($5::text[]) or resource_id = any($6::uuid[]) or (user_id = $7 and key_id <> $8))
                and ($10 or resource_id = any($9::uuid[]))
                and (cast($11 as text) is null or meter = $11) and (cast($12 as text) is null or product = $12)
                and (cast($13 as text) is null or model = $13) and (cast($14 as uuid) is null or user_id = $14)
                and (cast($15 as uuid) is null or key_id = $15) and (cast($16 as uuid) is null or account_id = $16)
                and (cast($17 as uuid) is null or resource_id = $17)"
        )
    };
}

pub(in crate::store) use seen;

/// `$1` to `$17` of `seen!`.
pub(in crate::store) fn sighted<'q>(query: Query<'q>, sight: &Sight, it: &Filter) -> Query<'q> {
    query
        .bind(it.from)
        .bind(it.to)
        .bind(sight.all)
        .bind(List(&sight.products))
        .bind(List(&sight.resources))
        .bind(sight.own.unwrap_or(UserId(Uuid::max())))
        .bind(Uuid::nil())
        .bind(List(sight.only.as_deref().unwrap_or_default()))
        .bind(sight.only.is_none())
        .bind(it.meter.clone())
        .bind(it.product.clone())
        .bind(it.model.clone())
        .bind(it.member)
        .bind(it.key)
        .bind(it.team)
        .bind(it.resource)
}

/// A sum. What it is not summed by, and what its events do not name, is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// The day.
    pub day: Option<Day>,
    /// The product.
    pub product: Option<String>,
    /// The meter.
    pub meter: String,
    /// Who made the key: their membership in this account, or their user where they have none.
    pub member: Option<Uuid>,
    /// The key.
    pub key: Option<KeyId>,
    /// The team.
    pub team: Option<AccountId>,
    /// The model.
    pub model: Option<String>,
    /// The resource.
    pub resource: Option<ResourceId>,
    /// How much.
    pub quantity: Quantity,
    pub(in crate::store) names: Names,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Names {
    member: Option<String>,
    key: Option<String>,
    team: Option<String>,
    resource: Option<String>,
}

impl Sum {
    /// Along an axis: the id or word, and the name that people know it by.
    pub fn labelled(&self, axis: Axis) -> (String, String) {
        let id = |it: Option<Uuid>| it.map(|it| it.to_string());
        let (id, name) = match axis {
            Axis::Day => (self.day.map(|it| it.to_string()), None),
            Axis::Product => (self.product.clone(), None),
            Axis::Model => (self.model.clone(), None),
            Axis::Member => (id(self.member), self.names.member.clone()),
            Axis::Key => (id(self.key.map(|it| it.0)), self.names.key.clone()),
            Axis::Team => (id(self.team.map(|it| it.0)), self.names.team.clone()),
            Axis::Resource => (id(self.resource.map(|it| it.0)), self.names.resource.clone()),
        };
        (id.unwrap_or_default(), name.unwrap_or_default())
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    day: i64,
    product: String,
    meter: String,
    user_id: Uuid,
    key_id: Uuid,
    account_id: Uuid,
    model: String,
    resource_id: Uuid,
    whole: i64,
    nanos: i64,
    membership_id: Option<MembershipId>,
    user_email: Option<String>,
    key_name: Option<String>,
    account_slug: Option<String>,
    #[sqlx(flatten)]
    resource: About,
}

/// What is known of the resource that a row is about.
#[derive(sqlx::FromRow)]
struct About {
    resource_name: Option<String>,
    resource_product: Option<String>,
    resource_account: Option<AccountId>,
    visibility: Option<Visibility>,
    created_by: Option<UserId>,
}

impl About {
    /// Its name, if the reader may know it.
    fn shown(&self, who: &Entry, id: Uuid) -> Option<String> {
        let (product, visibility) = (self.resource_product.as_deref()?, self.visibility?);
        let at = Place { id: ResourceId(id), product, visibility, creator: self.created_by };
        let is_here = self.resource_account == Some(who.here.id) || who.leads_teams();
        (is_here && who.rights.is_shown(who.person.id, &at)).then(|| self.resource_name.clone())?
    }
}

macro_rules! sums {
    ($within:literal) => {
        concat!(
            "select g.*, m.id as membership_id, u.email as user_email, k.name as key_name, a.slug as account_slug,
                r.name as resource_name, r.product as resource_product, r.account_id as resource_account, r.visibility, r.created_by
            from (",
            seen!(
                $within,
                "meter, case when $18 then day else 0 end as day, case when $19 then product else '' end as product,
                case when $20 then user_id else $8 end as user_id, case when $21 then key_id else $8 end as key_id,
                case when $22 then account_id else $8 end as account_id, case when $23 then model else '' end as model,
                case when $24 then resource_id else $8 end as resource_id,"
            ),
            " group by 1, 2, 3, 4, 5, 6, 7, 8) g
            left join memberships m on m.account_id = $1 and m.user_id = g.user_id left join users u on u.id = g.user_id
            left join api_keys k on k.id = g.key_id left join accounts a on a.id = g.account_id
            left join resources r on r.id = g.resource_id
            order by 2, 3, 1, 4, 5, 6, 7, 8 limit $25"
        )
    };
}

/// Sums by some axes and the meter, at most so many rows.
pub async fn sums(scope: &mut Scope, filter: &Filter, axes: &[Axis], limit: i64) -> Result<Vec<Sum>> {
    let sight = Sight::of(scope.who()).map_err(Error::Forbidden)?;
    let who = scope.who().clone();
    let here = who.here.id.0;
    let sql = if sight.teams { sums!("top_id") } else { sums!("account_id") };
    let mut query = sighted(scope.ask(sql), &sight, filter);
    for axis in [Axis::Day, Axis::Product, Axis::Member, Axis::Key, Axis::Team, Axis::Model, Axis::Resource] {
        query = query.bind(axes.contains(&axis));
    }
    let rows: Vec<Row> = query.bind(limit).fetch_all().await?;
    let named = |text: String| Some(text).filter(|it| !it.is_empty());
    let there = |id: Uuid| Some(id).filter(|it| !it.is_nil());
    let sum = |it: Row| Sum {
        day: axes.contains(&Axis::Day).then_some(Day(it.day)),
        product: named(it.product),
        meter: it.meter,
        names: Names {
            resource: it.resource.shown(&who, it.resource_id),
            member: it.user_email,
            key: it.key_name,
            team: it.account_slug,
        },
        member: there(it.user_id).map(|user| it.membership_id.map_or(user, |it| it.0)),
        key: there(it.key_id).map(KeyId),
        team: there(it.account_id).filter(|it| *it != here).map(AccountId),
        model: named(it.model),
        resource: there(it.resource_id).map(ResourceId),
        quantity: Quantity::of(it.whole, it.nanos),
    };
    Ok(rows.into_iter().map(sum).collect())
}

/// One line of a breakdown: what it is of, and how much of up to three meters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// What it is of, as the filter takes it.
    pub value: String,
    /// What it is called; none if that is gone, or hidden.
    pub name: Option<String>,
    /// An address, a slug, the last characters of a key.
    pub note: String,
    /// How much of each meter asked for.
    pub quantities: [Quantity; 3],
    /// What the member holds here, if it is of one.
    pub grants: Vec<Grant>,
}

#[derive(sqlx::FromRow)]
struct SliceRow {
    text: String,
    id: Uuid,
    whole_1: i64,
    nanos_1: i64,
    whole_2: i64,
    nanos_2: i64,
    whole_3: i64,
    nanos_3: i64,
    user_name: Option<String>,
    user_email: Option<String>,
    key_name: Option<String>,
    key_last4: Option<String>,
    account_name: Option<String>,
    account_slug: Option<String>,
    is_owner: Option<bool>,
    grants: Option<String>,
    #[sqlx(flatten)]
    resource: About,
    of_member: Option<String>,
    of_key: Option<String>,
    of_team: Option<String>,
    of_resource: Option<String>,
}

macro_rules! slices {
    ($within:literal) => {
        concat!(
            "select g.*, u.name as user_name, u.email as user_email, k.name as key_name, k.last4 as key_last4,
                a.name as account_name, a.slug as account_slug, r.name as resource_name, r.product as resource_product,
                r.account_id as resource_account, r.visibility, r.created_by, m.is_owner, ",
            grants_of!("m.id"),
            " as grants,
                (select f.name from users f where f.id = $14) as of_member, (select f.name from api_keys f where f.id = $15) as of_key,
                (select f.name from accounts f where f.id = $16) as of_team,
                (select f.name from resources f where f.id = $17 and f.visibility = 'shared') as of_resource
            from (",
            seen!(
                $within,
                "case $18 when 'product' then product when 'model' then model else '' end as text,
                case $18 when 'member' then user_id when 'key' then key_id when 'team' then account_id
                    when 'resource' then resource_id else $8 end as id,
                cast(sum(case when meter = $19 then whole else 0 end) as bigint) as whole_1,
                cast(sum(case when meter = $19 then nanos else 0 end) as bigint) as nanos_1,
                cast(sum(case when meter = $20 then whole else 0 end) as bigint) as whole_2,
                cast(sum(case when meter = $20 then nanos else 0 end) as bigint) as nanos_2,
                cast(sum(case when meter = $21 then whole else 0 end) as bigint) as whole_3,
                cast(sum(case when meter = $21 then nanos else 0 end) as bigint) as nanos_3,"
            ),
            " group by 1, 2) g
            left join users u on u.id = g.id left join api_keys k on k.id = g.id
            left join memberships m on m.account_id = $1 and m.user_id = u.id
            left join accounts a on a.id = g.id left join resources r on r.id = g.id
            order by g.whole_1 + g.nanos_1 / 1000000000 desc, g.whole_2 desc, g.whole_3 desc, g.text, g.id limit $22"
        )
    };
}

/// A breakdown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slices {
    /// The largest first.
    pub lines: Vec<Slice>,
    /// What the filters that are on are called.
    pub filters: Vec<(Axis, String)>,
}

/// The largest lines along an axis, by the first of the meters.
pub async fn slices(
    scope: &mut Scope,
    filter: &Filter,
    axis: Axis,
    meters: [&str; 3],
    limit: i64,
) -> Result<Slices> {
    let sight = Sight::of(scope.who()).map_err(Error::Forbidden)?;
    let who = scope.who().clone();
    let sql = if sight.teams { slices!("top_id") } else { slices!("account_id") };
    let mut query = sighted(scope.ask(sql), &sight, filter).bind(axis.word());
    for meter in meters {
        query = query.bind(meter.to_owned());
    }
    let rows: Vec<SliceRow> = query.bind(limit).fetch_all().await?;
    // They are the same in every row.
    let filters = rows.first().map(|it| {
        let of = [
            (Axis::Member, &it.of_member),
            (Axis::Key, &it.of_key),
            (Axis::Team, &it.of_team),
            (Axis::Resource, &it.of_resource),
        ];
        of.into_iter().filter_map(|(axis, name)| Some((axis, name.clone()?))).collect()
    });
    let lines = rows.into_iter().map(|it| it.slice(axis, &who)).collect::<Result<_>>()?;
    Ok(Slices { lines, filters: filters.unwrap_or_default() })
}

impl SliceRow {
    fn slice(self, axis: Axis, who: &Entry) -> Result<Slice> {
        let is_owner = self.is_owner.unwrap_or(false);
        let grants = grants::told(self.grants, is_owner, who.here.admins_may_delete)?;
        let quantities = [
            Quantity::of(self.whole_1, self.nanos_1),
            Quantity::of(self.whole_2, self.nanos_2),
            Quantity::of(self.whole_3, self.nanos_3),
        ];
        let (id, text) = (self.id.to_string(), self.text);
        let (value, name, note) = match axis {
            Axis::Day => (String::new(), None, None),
            Axis::Product | Axis::Model => (text.clone(), Some(text).filter(|it| !it.is_empty()), None),
            Axis::Member => (id, self.user_name, self.user_email),
            Axis::Key => (id, self.key_name, self.key_last4),
            Axis::Team => (id, self.account_name, self.account_slug),
            Axis::Resource => (id, self.resource.shown(who, self.id), self.resource.resource_product),
        };
        Ok(Slice { value, name, note: note.unwrap_or_default(), quantities, grants })
    }
}
