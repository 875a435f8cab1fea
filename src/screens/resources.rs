//! Resources: listed, registered, shown with the people who reach them, changed, moved, deleted.
mod deletion_impact;
mod edit;
mod list;
mod new;
mod resource;
mod usage;

use crate::{
    http::routes::Routes,
    model::{catalog::Catalog, text::counted},
    store::resources::{Resource, ResourceDeletionImpact},
};

pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/resources", list::show)
        .post("/a/{slug}/resources", new::create)
        .get("/a/{slug}/resources/new", new::show)
        .get("/a/{slug}/resources/{id}", resource::show)
        .post("/a/{slug}/resources/{id}/visibility", resource::set_visibility)
        .get("/a/{slug}/resources/{id}/edit", edit::show)
        .post("/a/{slug}/resources/{id}/edit", edit::save)
        .get("/a/{slug}/resources/{id}/move", deletion_impact::ask_move)
        .post("/a/{slug}/resources/{id}/move", deletion_impact::move_to)
        .get("/a/{slug}/resources/{id}/delete", deletion_impact::ask_delete)
        .post("/a/{slug}/resources/{id}/delete", deletion_impact::delete)
}

struct ResourceLooks {
    icon: String,
    tone: &'static str,
    kind: String,
}

impl ResourceLooks {
    fn of(resource: &Resource, catalog: &Catalog) -> ResourceLooks {
        ResourceLooks {
            icon: catalog.kind_icon(&resource.kind).to_owned(),
            tone: catalog.product_tone(&resource.product),
            kind: catalog.kind_name(&resource.kind).to_owned(),
        }
    }
}

/// What happens to the roles that list a resource when it is deleted or moved away.
fn impact_sentences(impact: &ResourceDeletionImpact) -> Vec<String> {
    if impact.grants == 0 {
        return vec!["No role names it.".to_owned()];
    }
    let mut sentences = vec![format!(
        "{} of {} will name it no more.",
        counted(impact.grants, "role"),
        if impact.people == 1 { "1 person".to_owned() } else { format!("{} people", impact.people) }
    )];
    if impact.ended > 0 {
        sentences.push(match impact.ended {
            1 => "1 of them names nothing else, and ends.".to_owned(),
            some => format!("{some} of them name nothing else, and end."),
        });
    }
    sentences
}
