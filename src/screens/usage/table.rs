//! The breakdown: lines by size, each a way to look closer.
use super::{Asked, MOST, ask::NONE};
use crate::{
    model::{access::Entry, permission::Permission, quantity::Quantity, usage::Axis},
    store::usage::{Slice, Slices},
    view::{role_picker::Badge, shell::tint},
};
use uuid::Uuid;

pub struct Table {
    pub head: &'static str,
    pub meters: Vec<String>,
    pub rows: Vec<Row>,
    /// Whether its lines are of members, whose roles the reader may see.
    pub has_roles: bool,
    pub has_more: bool,
    names: Vec<(Axis, String)>,
}

pub struct Row {
    pub name: String,
    pub note: String,
    pub badges: Vec<Badge>,
    /// A picture: an icon, or the letters of a person.
    pub icon: &'static str,
    pub tint: u8,
    pub href: String,
    pub quantities: Vec<String>,
    pub percent: u8,
}

impl Table {
    pub fn of(
        found: Slices,
        by: Axis,
        meters: [String; 3],
        total: Quantity,
        asked: &Asked,
        path: &str,
        me: &Entry,
    ) -> Table {
        let Slices { lines: mut slices, filters } = found;
        let most = usize::try_from(MOST).unwrap_or(usize::MAX);
        let has_more = slices.len() > most;
        slices.truncate(most);
        let meters: Vec<String> = meters.into_iter().filter(|it| !it.is_empty()).collect();
        let largest: [Quantity; 3] =
            std::array::from_fn(|at| slices.iter().map(|it| it.quantities[at]).max().unwrap_or_default());
        let row = |it: Slice| {
            let value = if it.value.is_empty() { NONE } else { it.value.as_str() };
            let closer = asked.with(by.word(), value).with("by", closer(by, asked).word());
            let is_gone = !it.value.is_empty() && it.value != Uuid::nil().to_string();
            Row {
                tint: tint(&it.value),
                icon: icon(by, it.name.is_some()),
                href: closer.address(path),
                quantities: it
                    .quantities
                    .iter()
                    .zip(largest)
                    .take(meters.len())
                    .map(|it| show(*it.0, it.1))
                    .collect(),
                percent: percent(it.quantities[0], total),
                badges: it.grants.iter().map(Badge::of).collect(),
                note: match by {
                    Axis::Key if !it.note.is_empty() => format!("gh_key_…{}", it.note),
                    Axis::Team if it.value == me.here.id.to_string() => "Without its teams".to_owned(),
                    Axis::Resource if it.name.is_none() => String::new(),
                    _ => it.note.clone(),
                },
                name: it.name.unwrap_or_else(|| nameless(by, is_gone, &it.note).to_owned()),
            }
        };
        Table {
            head: head(by),
            rows: slices.into_iter().map(row).collect(),
            has_roles: by == Axis::Member && me.may(Permission::ViewMembers),
            has_more,
            names: filters,
            meters,
        }
    }
    /// What a filter that is on is called.
    pub fn named(&self, axis: Axis, value: &str) -> String {
        let found = self.names.iter().find(|it| it.0 == axis).map(|it| it.1.clone());
        let unknown = || match axis {
            _ if value == Uuid::nil().to_string() => nameless(axis, false, ""),
            Axis::Member => "One member",
            Axis::Key => "One API key",
            Axis::Team => "One team",
            _ => "One resource",
        };
        found.unwrap_or_else(|| unknown().to_owned())
    }
}

fn show(it: Quantity, largest: Quantity) -> String {
    if it.is_zero() { "—".to_owned() } else { it.rounded_beside(largest) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
fn percent(part: Quantity, total: Quantity) -> u8 {
    if total.is_zero() {
        0
    } else {
        (part.roughly() / total.roughly() * 100.0).round().clamp(0.0, 100.0) as u8
    }
}

fn head(by: Axis) -> &'static str {
    match by {
        Axis::Day => "Day",
        Axis::Product => "Product",
        Axis::Member => "Member",
        Axis::Key => "API key",
        Axis::Team => "Team",
        Axis::Model => "Model",
        Axis::Resource => "Resource",
    }
}

/// What one looks at next.
fn closer(by: Axis, asked: &Asked) -> Axis {
    let next = match by {
        Axis::Team => Axis::Member,
        Axis::Member => Axis::Key,
        Axis::Key | Axis::Product | Axis::Resource | Axis::Day => Axis::Model,
        Axis::Model => Axis::Product,
    };
    if asked.of(next).is_some() { Axis::Resource } else { next }
}

fn icon(by: Axis, is_there: bool) -> &'static str {
    match by {
        Axis::Member if is_there => "",
        Axis::Member => "user",
        Axis::Key => "key-round",
        Axis::Team => "users-round",
        Axis::Product | Axis::Day => "boxes",
        Axis::Model => "zap",
        Axis::Resource => "boxes",
    }
}

fn nameless(by: Axis, is_gone: bool, note: &str) -> &'static str {
    match (by, is_gone) {
        (Axis::Member, true) => "Somebody who is gone",
        (Axis::Member, false) => "Nobody: without a key",
        (Axis::Key, true) => "A key that is gone",
        (Axis::Key, false) => "Without a key",
        (Axis::Team, _) => "A team that is gone",
        (Axis::Resource, true) if !note.is_empty() => "A private resource",
        (Axis::Resource, true) => "A resource that is gone",
        (Axis::Resource, false) => "No resource",
        (Axis::Model, _) => "No model",
        (Axis::Product | Axis::Day, _) => "No product",
    }
}
