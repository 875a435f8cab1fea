//! Explains permissions: whose they are, and for which resource.
use super::{Scope, access, members};
use crate::{
    error::{Error, Result},
    model::{
        access::Access,
        actor::UserSummary,
        id::{MembershipId, ResourceId, UserId},
        permission::Permission,
        resource::{HasTarget, ResourceTarget, Visibility},
        why::{Explanation, explain},
    },
};

/// Whose permissions are explained.
#[derive(Clone, Debug)]
pub struct Subject {
    pub person: UserSummary,
    /// Their access; `None` if they may not enter.
    pub entry: Option<Access>,
}

impl Subject {
    /// The caller, with the limits of an API key.
    pub fn caller(scope: &Scope<Access>) -> Result<Subject> {
        Ok(Subject { person: scope.acting_user()?, entry: Some(scope.access().clone()) })
    }
    /// Explains a permission, for a resource if the permission is about resources.
    pub fn explain(&self, permission: Permission, about: Option<&TargetResource>) -> Explanation {
        let at = about.filter(|_| permission.is_of_resources()).map(HasTarget::target);
        match &self.entry {
            Some(access) => explain(self.person.id, &access.rights, permission, at.as_ref()),
            None => Explanation::without_access(permission),
        }
    }
}

/// A member of the account, with the access that they would have.
pub async fn subject(scope: &mut Scope<Access>, id: MembershipId) -> Result<Subject> {
    let (slug, now) = (scope.access().account.slug.clone(), scope.now());
    let (person, entry) = access::of_member(&mut scope.conn, id, &slug, now).await?;
    match entry {
        Ok(access) => Ok(Subject { person, entry: Some(access) }),
        Err(Error::AccessDenied { .. }) => Ok(Subject { person, entry: None }),
        Err(other) => Err(other),
    }
}

/// What access to a resource depends on.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct TargetResource {
    pub id: ResourceId,
    pub product: String,
    pub kind: String,
    pub name: String,
    pub visibility: Visibility,
    pub created_by: Option<UserId>,
}

impl HasTarget for TargetResource {
    type See = crate::model::permission::ViewResources;
    fn target(&self) -> ResourceTarget<'_> {
        ResourceTarget {
            product: &self.product,
            id: self.id,
            visibility: self.visibility,
            creator: self.created_by,
        }
    }
}

/// A resource of the account. Does not check whether the actor may see it.
pub(super) async fn resource(scope: &mut Scope<Access>, id: ResourceId) -> Result<TargetResource> {
    let sql = "select id, product, kind, name, visibility, created_by from resources where account_id = $1 and id = $2";
    let found: Option<TargetResource> = scope.query_in_account(sql).bind(id).fetch_optional().await?;
    found.ok_or_else(|| {
        Error::invalid("resource", "unknown_resource", "There is no such resource in this account.")
    })
}

/// A resource to explain access to. Its name is hidden from those who may not see it.
pub async fn about(scope: &mut Scope<Access>, id: ResourceId) -> Result<TargetResource> {
    let resource = resource(scope, id).await?;
    let sees = scope.access().rights.sees(scope.access().user_id(), &resource.target());
    Ok(if sees { resource } else { TargetResource { name: "This resource".into(), ..resource } })
}

/// Resources that the caller may see, by name, to choose from.
pub async fn resources(scope: &mut Scope<Access>, limit: i64) -> Result<Vec<TargetResource>> {
    let sql = "select id, product, kind, name, visibility, created_by from resources where account_id = $1
        order by name_key, id limit $2";
    let all: Vec<TargetResource> = scope.query_in_account(sql).bind(limit).fetch_all().await?;
    let access = scope.access();
    Ok(all.into_iter().filter(|resource| access.rights.sees(access.user_id(), &resource.target())).collect())
}

/// Members by name, to choose from; `search` is a prefix.
pub async fn people(
    scope: &mut Scope<Access>,
    search: &str,
    limit: i64,
) -> Result<Vec<(MembershipId, String)>> {
    let filter = members::Filter {
        search: search.to_owned(),
        sort: members::Sort::Name,
        limit,
        ..members::Filter::default()
    };
    let page = members::list(scope, &filter).await?;
    Ok(page.members.into_iter().map(|member| (member.id, member.person.name)).collect())
}
