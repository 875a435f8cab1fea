//! Resources: listed, registered, looked at with who reaches them, changed, moved, deleted.
mod deletion_impact;
mod edit;
mod list;
mod new;
mod one;
mod used;

use crate::{
    http::routes::Routes,
    model::{catalog::Catalog, text::counted},
    store::resources::{Goes, Resource},
};

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/resources", list::show)
        .post("/a/{slug}/resources", new::create)
        .get("/a/{slug}/resources/new", new::show)
        .get("/a/{slug}/resources/{id}", one::show)
        .post("/a/{slug}/resources/{id}/visibility", one::set_visibility)
        .get("/a/{slug}/resources/{id}/edit", edit::show)
        .post("/a/{slug}/resources/{id}/edit", edit::save)
        .get("/a/{slug}/resources/{id}/move", deletion_impact::ask_move)
        .post("/a/{slug}/resources/{id}/move", deletion_impact::move_to)
        .get("/a/{slug}/resources/{id}/delete", deletion_impact::ask_delete)
        .post("/a/{slug}/resources/{id}/delete", deletion_impact::delete)
}

/// How a resource looks in a head or a row.
struct Looks {
    icon: &'static str,
    tone: String,
    kind: String,
}

impl Looks {
    fn of(it: &Resource, catalog: &Catalog) -> Looks {
        let icon = match it.kind.as_str() {
            "index" => "database",
            "video" => "circle-play",
            "video_collection" => "film",
            "image_source" => "images",
            _ if catalog.kind(&it.kind).is_some_and(|it| it.has_credentials) => "cloud",
            _ => "boxes",
        };
        let tone = if ["video", "image"].contains(&it.product.as_str()) {
            it.product.clone()
        } else {
            String::new()
        };
        Looks { icon, tone, kind: catalog.kind_name(&it.kind).to_owned() }
    }
}

/// What goes with a resource, in sentences.
fn says(it: &Goes) -> Vec<String> {
    if it.grants == 0 {
        return vec!["No role names it.".to_owned()];
    }
    let mut said = vec![format!(
        "{} of {} will name it no more.",
        counted(it.grants, "role"),
        if it.people == 1 { "1 person".to_owned() } else { format!("{} people", it.people) }
    )];
    if it.ended > 0 {
        said.push(match it.ended {
            1 => "1 of them names nothing else, and ends.".to_owned(),
            some => format!("{some} of them name nothing else, and end."),
        });
    }
    said
}
