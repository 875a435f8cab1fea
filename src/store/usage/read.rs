//! Reads usage: daily sums, never events. The SQL limits them to what the caller may see (`VisibleUsage`).
use crate::{
    db::{List, Query},
    error::{Error, Result},
    model::{
        access::Access,
        calendar::Day,
        grant::Grant,
        id::{AccountId, KeyId, MembershipId, ResourceId, UserId},
        quantity::Quantity,
        resource::{ResourceTarget, Visibility},
        usage::{Dimension, VisibleUsage},
    },
    store::{
        Scope,
        grants::{self, GRANTS_OF_MEMBER},
    },
};
use const_format::concatcp;
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Inclusive.
    pub from: Day,
    /// Exclusive.
    pub to: Day,
    pub meter: Option<String>,
    /// Empty: usage without a product.
    pub product: Option<String>,
    /// Empty: usage without a model.
    pub model: Option<String>,
    /// Nil: usage of no member.
    pub member: Option<UserId>,
    /// Nil: usage that was reported without a key.
    pub key: Option<KeyId>,
    /// Only this account: a team, or the organization without its teams.
    pub team: Option<AccountId>,
    /// Nil: usage without a resource.
    pub resource: Option<ResourceId>,
}

impl Filter {
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

const FROM_ACCOUNT: &str = "cast(sum(whole) as bigint) as whole, cast(sum(nanos) as bigint) as nanos
    from usage_days where account_id = $1 ";
const FROM_ORGANIZATION: &str = "cast(sum(whole) as bigint) as whole, cast(sum(nanos) as bigint) as nanos
    from usage_days where billing_account_id = $1 ";
const VISIBLE: &str = "and day >= $2 and day < $3
                and ($4 or product = any($5::text[]) or resource_id = any($6::uuid[]) or (user_id = $7 and key_id <> $8))
                and ($10 or resource_id = any($9::uuid[]))
                and (cast($11 as text) is null or meter = $11) and (cast($12 as text) is null or product = $12)
                and (cast($13 as text) is null or model = $13) and (cast($14 as uuid) is null or user_id = $14)
                and (cast($15 as uuid) is null or key_id = $15) and (cast($16 as uuid) is null or account_id = $16)
                and (cast($17 as uuid) is null or resource_id = $17)";
/// What the reader may see of the account's usage: follows `select` and the columns that it is summed by.
pub(in crate::store) const OF_ACCOUNT: &str = concatcp!(FROM_ACCOUNT, VISIBLE);
/// The same of an organization with its teams.
pub(in crate::store) const OF_ORGANIZATION: &str = concatcp!(FROM_ORGANIZATION, VISIBLE);

/// `$1` to `$17` of `seen!`.
pub(in crate::store) fn sighted<'q>(query: Query<'q>, sight: &VisibleUsage, filter: &Filter) -> Query<'q> {
    query
        .bind(filter.from)
        .bind(filter.to)
        .bind(sight.all)
        .bind(List(&sight.products))
        .bind(List(&sight.resources))
        .bind(sight.own.unwrap_or(UserId(Uuid::max())))
        .bind(Uuid::nil())
        .bind(List(sight.only.as_deref().unwrap_or_default()))
        .bind(sight.only.is_none())
        .bind(filter.meter.clone())
        .bind(filter.product.clone())
        .bind(filter.model.clone())
        .bind(filter.member)
        .bind(filter.key)
        .bind(filter.team)
        .bind(filter.resource)
}

/// A sum. A dimension is `None` if it is not grouped by, or if the events do not have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageSum {
    pub day: Option<Day>,
    pub product: Option<String>,
    pub meter: String,
    /// The key's owner: their membership in this account, or their user id if they have none.
    pub member: Option<Uuid>,
    pub key: Option<KeyId>,
    pub team: Option<AccountId>,
    pub model: Option<String>,
    pub resource: Option<ResourceId>,
    pub quantity: Quantity,
    pub(in crate::store) names: SumNames,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct SumNames {
    member: Option<String>,
    key: Option<String>,
    team: Option<String>,
    resource: Option<String>,
}

impl UsageSum {
    /// The id or value of a dimension, and its name.
    pub fn labelled(&self, axis: Dimension) -> (String, String) {
        let id = |id: Option<Uuid>| id.map(|id| id.to_string());
        let (id, name) = match axis {
            Dimension::Day => (self.day.map(|day| day.to_string()), None),
            Dimension::Product => (self.product.clone(), None),
            Dimension::Model => (self.model.clone(), None),
            Dimension::Member => (id(self.member), self.names.member.clone()),
            Dimension::Key => (id(self.key.map(|id| id.0)), self.names.key.clone()),
            Dimension::Team => (id(self.team.map(|id| id.0)), self.names.team.clone()),
            Dimension::Resource => (id(self.resource.map(|id| id.0)), self.names.resource.clone()),
        };
        (id.unwrap_or_default(), name.unwrap_or_default())
    }
}

#[derive(sqlx::FromRow)]
struct SumRow {
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
    resource: ResourceInfo,
}

/// The resource of a row.
#[derive(sqlx::FromRow)]
struct ResourceInfo {
    resource_name: Option<String>,
    resource_product: Option<String>,
    resource_account: Option<AccountId>,
    visibility: Option<Visibility>,
    created_by: Option<UserId>,
}

impl ResourceInfo {
    /// Its name, if the reader may see it.
    fn shown(&self, access: &Access, id: Uuid) -> Option<String> {
        let (product, visibility) = (self.resource_product.as_deref()?, self.visibility?);
        let at = ResourceTarget { id: ResourceId(id), product, visibility, creator: self.created_by };
        let is_here = self.resource_account == Some(access.account.id) || access.leads_teams();
        (is_here && access.rights.is_shown(access.user_id(), &at)).then(|| self.resource_name.clone())?
    }
}

const SUMS: &str = "select g.*, m.id as membership_id, u.email as user_email, k.name as key_name, a.slug as account_slug,
                r.name as resource_name, r.product as resource_product, r.account_id as resource_account, r.visibility, r.created_by
            from (select meter, case when $18 then day else 0 end as day, case when $19 then product else '' end as product,
                case when $20 then user_id else $8 end as user_id, case when $21 then key_id else $8 end as key_id,
                case when $22 then account_id else $8 end as account_id, case when $23 then model else '' end as model,
                case when $24 then resource_id else $8 end as resource_id, ";
const SUMS_TAIL: &str = " group by 1, 2, 3, 4, 5, 6, 7, 8) g
            left join memberships m on m.account_id = $1 and m.user_id = g.user_id left join users u on u.id = g.user_id
            left join api_keys k on k.id = g.key_id left join accounts a on a.id = g.account_id
            left join resources r on r.id = g.resource_id
            order by 2, 3, 1, 4, 5, 6, 7, 8 limit $25";

/// Sums by the meter and some dimensions.
pub async fn sums(
    scope: &mut Scope<Access>,
    filter: &Filter,
    axes: &[Dimension],
    limit: i64,
) -> Result<Vec<UsageSum>> {
    let sight = VisibleUsage::of(scope.access()).map_err(Error::MissingPermission)?;
    let access = scope.access().clone();
    let here = access.account.id.0;
    let sql = if sight.teams {
        concatcp!(SUMS, OF_ORGANIZATION, SUMS_TAIL)
    } else {
        concatcp!(SUMS, OF_ACCOUNT, SUMS_TAIL)
    };
    let mut query = sighted(scope.query_in_account(sql), &sight, filter);
    for axis in [
        Dimension::Day,
        Dimension::Product,
        Dimension::Member,
        Dimension::Key,
        Dimension::Team,
        Dimension::Model,
        Dimension::Resource,
    ] {
        query = query.bind(axes.contains(&axis));
    }
    let rows: Vec<SumRow> = query.bind(limit).fetch_all().await?;
    let named = |text: String| Some(text).filter(|text| !text.is_empty());
    let there = |id: Uuid| Some(id).filter(|id| !id.is_nil());
    let sum = |row: SumRow| UsageSum {
        day: axes.contains(&Dimension::Day).then_some(Day(row.day)),
        product: named(row.product),
        meter: row.meter,
        names: SumNames {
            resource: row.resource.shown(&access, row.resource_id),
            member: row.user_email,
            key: row.key_name,
            team: row.account_slug,
        },
        member: there(row.user_id).map(|user| row.membership_id.map_or(user, |id| id.0)),
        key: there(row.key_id).map(KeyId),
        team: there(row.account_id).filter(|id| *id != here).map(AccountId),
        model: named(row.model),
        resource: there(row.resource_id).map(ResourceId),
        quantity: Quantity::of(row.whole, row.nanos),
    };
    Ok(rows.into_iter().map(sum).collect())
}

/// A line of a breakdown, with up to three meters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakdownLine {
    /// The value to filter by.
    pub value: String,
    /// `None` if it was deleted or is hidden.
    pub name: Option<String>,
    /// An address, a slug, or the last characters of a key.
    pub note: String,
    pub quantities: [Quantity; 3],
    /// For a member: their grants.
    pub grants: Vec<Grant>,
}

#[derive(sqlx::FromRow)]
struct BreakdownRow {
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
    resource: ResourceInfo,
    of_member: Option<String>,
    of_key: Option<String>,
    of_team: Option<String>,
    of_resource: Option<String>,
}

const SLICES: &str = concatcp!(
    "select g.*, u.name as user_name, u.email as user_email, k.name as key_name, k.last4 as key_last4,
                a.name as account_name, a.slug as account_slug, r.name as resource_name, r.product as resource_product,
                r.account_id as resource_account, r.visibility, r.created_by, m.is_owner, ",
    GRANTS_OF_MEMBER,
    " as grants,
                (select f.name from users f where f.id = $14) as of_member, (select f.name from api_keys f where f.id = $15) as of_key,
                (select f.name from accounts f where f.id = $16) as of_team,
                (select f.name from resources f where f.id = $17 and f.visibility = 'shared') as of_resource
            from (select case $18 when 'product' then product when 'model' then model else '' end as text,
                case $18 when 'member' then user_id when 'key' then key_id when 'team' then account_id
                    when 'resource' then resource_id else $8 end as id,
                cast(sum(case when meter = $19 then whole else 0 end) as bigint) as whole_1,
                cast(sum(case when meter = $19 then nanos else 0 end) as bigint) as nanos_1,
                cast(sum(case when meter = $20 then whole else 0 end) as bigint) as whole_2,
                cast(sum(case when meter = $20 then nanos else 0 end) as bigint) as nanos_2,
                cast(sum(case when meter = $21 then whole else 0 end) as bigint) as whole_3,
                cast(sum(case when meter = $21 then nanos else 0 end) as bigint) as nanos_3, "
);
const SLICES_TAIL: &str = " group by 1, 2) g
            left join users u on u.id = g.id left join api_keys k on k.id = g.id
            left join memberships m on m.account_id = $1 and m.user_id = u.id
            left join accounts a on a.id = g.id left join resources r on r.id = g.id
            order by g.whole_1 + g.nanos_1 / 1000000000 desc, g.whole_2 desc, g.whole_3 desc, g.text, g.id limit $22";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breakdown {
    /// Largest first.
    pub lines: Vec<BreakdownLine>,
    /// The names of the active filters.
    pub filters: Vec<(Dimension, String)>,
}

/// The largest lines along a dimension, by the first meter.
pub async fn slices(
    scope: &mut Scope<Access>,
    filter: &Filter,
    axis: Dimension,
    meters: [&str; 3],
    limit: i64,
) -> Result<Breakdown> {
    let sight = VisibleUsage::of(scope.access()).map_err(Error::MissingPermission)?;
    let access = scope.access().clone();
    let sql = if sight.teams {
        concatcp!(SLICES, OF_ORGANIZATION, SLICES_TAIL)
    } else {
        concatcp!(SLICES, OF_ACCOUNT, SLICES_TAIL)
    };
    let mut query = sighted(scope.query_in_account(sql), &sight, filter).bind(axis.as_str());
    for meter in meters {
        query = query.bind(meter.to_owned());
    }
    let rows: Vec<BreakdownRow> = query.bind(limit).fetch_all().await?;
    // These columns are the same in every row.
    let filters = rows.first().map(|row| {
        let of = [
            (Dimension::Member, &row.of_member),
            (Dimension::Key, &row.of_key),
            (Dimension::Team, &row.of_team),
            (Dimension::Resource, &row.of_resource),
        ];
        of.into_iter().filter_map(|(axis, name)| Some((axis, name.clone()?))).collect()
    });
    let lines = rows.into_iter().map(|row| row.slice(axis, &access)).collect::<Result<_>>()?;
    Ok(Breakdown { lines, filters: filters.unwrap_or_default() })
}

impl BreakdownRow {
    fn slice(self, axis: Dimension, access: &Access) -> Result<BreakdownLine> {
        let is_owner = self.is_owner.unwrap_or(false);
        let grants = grants::read_grants(self.grants, is_owner, access.account.admins_may_delete)?;
        let quantities = [
            Quantity::of(self.whole_1, self.nanos_1),
            Quantity::of(self.whole_2, self.nanos_2),
            Quantity::of(self.whole_3, self.nanos_3),
        ];
        let (id, text) = (self.id.to_string(), self.text);
        let (value, name, note) = match axis {
            Dimension::Day => (String::new(), None, None),
            Dimension::Product | Dimension::Model => {
                (text.clone(), Some(text).filter(|text| !text.is_empty()), None)
            }
            Dimension::Member => (id, self.user_name, self.user_email),
            Dimension::Key => (id, self.key_name, self.key_last4),
            Dimension::Team => (id, self.account_name, self.account_slug),
            Dimension::Resource => (id, self.resource.shown(access, self.id), self.resource.resource_product),
        };
        Ok(BreakdownLine { value, name, note: note.unwrap_or_default(), quantities, grants })
    }
}
