//! The breakdown by a dimension, largest first. Each row links to the breakdown of its own usage.
use super::{MAX_ROWS, UsageQuery, query::NONE};
use crate::{
    model::{access::Access, catalog::Catalog, permission::Permission, quantity::Quantity, usage::Dimension},
    store::usage::{Breakdown, BreakdownLine},
    view::{role_picker::Badge, shell::tint},
};
use uuid::Uuid;

pub struct UsageTable {
    pub heading: &'static str,
    pub meters: Vec<String>,
    pub rows: Vec<UsageRow>,
    /// Whether the rows are members whose roles the viewer may see.
    pub has_roles: bool,
    pub has_more: bool,
    names: Vec<(Dimension, String)>,
}

pub struct UsageRow {
    pub name: String,
    pub note: String,
    pub badges: Vec<Badge>,
    /// Empty for a person, whose initials are shown instead.
    pub icon: &'static str,
    pub tint: u8,
    pub href: String,
    pub quantities: Vec<String>,
    pub percent: u8,
}

/// The page to whose breakdowns the rows link.
pub struct TableLinks<'a> {
    pub query: &'a UsageQuery,
    pub path: &'a str,
}

impl UsageTable {
    pub fn of(
        breakdown: Breakdown,
        dimension: Dimension,
        meters: [String; 3],
        total: Quantity,
        TableLinks { query, path }: TableLinks<'_>,
        access: &Access,
        catalog: &Catalog,
    ) -> UsageTable {
        let Breakdown { lines: mut slices, filters } = breakdown;
        let most = usize::try_from(MAX_ROWS).unwrap_or(usize::MAX);
        let has_more = slices.len() > most;
        slices.truncate(most);
        let meters: Vec<String> = meters.into_iter().filter(|name| !name.is_empty()).collect();
        let largest: [Quantity; 3] = std::array::from_fn(|column| {
            slices.iter().map(|slice| slice.quantities[column]).max().unwrap_or_default()
        });
        let row = |slice: BreakdownLine| {
            let value = if slice.value.is_empty() { NONE } else { slice.value.as_str() };
            let next_query =
                query.with(dimension.as_str(), value).with("by", next_dimension(dimension, query).as_str());
            let is_gone = !slice.value.is_empty() && slice.value != Uuid::nil().to_string();
            UsageRow {
                tint: tint(&slice.value),
                icon: icon(dimension, slice.name.is_some()),
                href: next_query.href(path),
                quantities: slice
                    .quantities
                    .iter()
                    .zip(largest)
                    .take(meters.len())
                    .map(|pair| quantity_or_dash(*pair.0, pair.1))
                    .collect(),
                percent: percent(slice.quantities[0], total),
                badges: slice.grants.iter().map(|grant| Badge::of(grant, catalog)).collect(),
                note: match dimension {
                    Dimension::Key if !slice.note.is_empty() => format!("gh_key_…{}", slice.note),
                    Dimension::Team if slice.value == access.account.id.to_string() => {
                        "Without its teams".to_owned()
                    }
                    Dimension::Resource if slice.name.is_none() => String::new(),
                    _ => slice.note.clone(),
                },
                name: slice.name.unwrap_or_else(|| missing_name(dimension, is_gone, &slice.note).to_owned()),
            }
        };
        UsageTable {
            heading: heading(dimension),
            rows: slices.into_iter().map(row).collect(),
            has_roles: dimension == Dimension::Member && access.may(Permission::ViewMembers),
            has_more,
            names: filters,
            meters,
        }
    }
    /// The label of an active filter.
    pub fn named(&self, dimension: Dimension, value: &str) -> String {
        let name = self.names.iter().find(|filter| filter.0 == dimension).map(|filter| filter.1.clone());
        let unknown = || match dimension {
            _ if value == Uuid::nil().to_string() => missing_name(dimension, false, ""),
            Dimension::Member => "One member",
            Dimension::Key => "One API key",
            Dimension::Team => "One team",
            _ => "One resource",
        };
        name.unwrap_or_else(|| unknown().to_owned())
    }
}

fn quantity_or_dash(quantity: Quantity, largest: Quantity) -> String {
    if quantity.is_zero() { "—".to_owned() } else { quantity.rounded_beside(largest) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
fn percent(part: Quantity, total: Quantity) -> u8 {
    if total.is_zero() {
        0
    } else {
        (part.roughly() / total.roughly() * 100.0).round().clamp(0.0, 100.0) as u8
    }
}

fn heading(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Day => "Day",
        Dimension::Product => "Product",
        Dimension::Member => "Member",
        Dimension::Key => "API key",
        Dimension::Team => "Team",
        Dimension::Model => "Model",
        Dimension::Resource => "Resource",
    }
}

/// The dimension of the breakdown behind a row.
fn next_dimension(dimension: Dimension, query: &UsageQuery) -> Dimension {
    let next = match dimension {
        Dimension::Team => Dimension::Member,
        Dimension::Member => Dimension::Key,
        Dimension::Key | Dimension::Product | Dimension::Resource | Dimension::Day => Dimension::Model,
        Dimension::Model => Dimension::Product,
    };
    if query.of(next).is_some() { Dimension::Resource } else { next }
}

fn icon(dimension: Dimension, is_there: bool) -> &'static str {
    match dimension {
        Dimension::Member if is_there => "",
        Dimension::Member => "user",
        Dimension::Key => "key-round",
        Dimension::Team => "users-round",
        Dimension::Product | Dimension::Day => "boxes",
        Dimension::Model => "zap",
        Dimension::Resource => "boxes",
    }
}

fn missing_name(dimension: Dimension, is_gone: bool, note: &str) -> &'static str {
    match (dimension, is_gone) {
        (Dimension::Member, true) => "Somebody who is gone",
        (Dimension::Member, false) => "Nobody: without a key",
        (Dimension::Key, true) => "A key that is gone",
        (Dimension::Key, false) => "Without a key",
        (Dimension::Team, _) => "A team that is gone",
        (Dimension::Resource, true) if !note.is_empty() => "A private resource",
        (Dimension::Resource, true) => "A resource that is gone",
        (Dimension::Resource, false) => "No resource",
        (Dimension::Model, _) => "No model",
        (Dimension::Product | Dimension::Day, _) => "No product",
    }
}
