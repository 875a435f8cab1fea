//! The signed-in user's passkeys, password, codes and sessions.
use super::MeHead;
use crate::{
    clients::social::Provider,
    crypto::{passkey::RelyingParty, password},
    error::{Error, Result},
    http::{
        form::Form,
        gate::{PathId, SignedIn},
        reauth::{ReauthForm, ReauthInput},
        routes::Routes,
        user_agent,
    },
    model::{
        account::LoginType,
        id::{PasskeyId, SessionId},
    },
    store::{
        factors::{self, AvailableFactors, CODES},
        identities::Identity,
        me, sessions,
        shell::switcher,
        sign_in_methods::{self, SignInMethods},
    },
    view::{form_errors::FormErrors, page::Page, when::When},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/me/security", show)
        .post("/me/security", change_password)
        .get("/me/security/password", show_password)
        .post("/me/security/password/remove", remove_password)
        .post("/me/sessions/{id}/end", end)
        .post("/me/sessions/end-others", end_others)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ChangePasswordForm {
    new_password: String,
    #[serde(flatten)]
    reauth: ReauthInput,
}

#[derive(Template)]
#[template(path = "me/security/index.html")]
struct SecurityPage {
    head: MeHead,
    passkeys: Vec<PasskeyRow>,
    takes_passkeys: bool,
    available: AvailableFactors,
    app: Option<When>,
    codes_total: usize,
    social_accounts: Vec<SocialAccount>,
    sso_accounts: Vec<SsoAccount>,
    sessions: Vec<SessionRow>,
}

/// An account at Google or GitHub, linked or not.
struct SocialAccount {
    provider: &'static str,
    title: &'static str,
    icon: &'static str,
    label: String,
    since: Option<When>,
    used: Option<When>,
}

/// An organization whose provider knows the user.
struct SsoAccount {
    organization: String,
    enforced: bool,
    email: String,
    since: When,
    used: When,
}

struct PasskeyRow {
    id: PasskeyId,
    name: String,
    added: When,
    used: Option<When>,
}

#[derive(Template)]
#[template(path = "me/security/password.html")]
struct PasswordPage {
    email: String,
    is_set: bool,
    has_another: bool,
    reauth: ReauthForm,
    errors: FormErrors,
}

struct SessionRow {
    id: SessionId,
    device: user_agent::Device,
    ip: String,
    method: String,
    two_factors: bool,
    is_current: bool,
    since: When,
    seen: When,
}

async fn show(signed: SignedIn, page: Page) -> Result<Response> {
    let mut scope = signed.read();
    let me = signed.signed_in_user();
    let zone = page.zone(me.time_zone.as_deref());
    let row = |session: sessions::ActiveSession| SessionRow {
        device: user_agent::device(&session.user_agent),
        is_current: session.id == me.session.id,
        method: LoginType::parse(&session.method)
            .map_or(session.method, |login_type| login_type.label().to_lowercase()),
        two_factors: session.two_factors,
        since: When::day(session.created_at, &zone),
        seen: When::minute(session.seen_at, &zone),
        id: session.id,
        ip: session.ip,
    };
    let mut sessions: Vec<SessionRow> = sessions::list(&mut scope).await?.into_iter().map(row).collect();
    sessions.sort_by_key(|session| !session.is_current);
    let SignInMethods { ways: available, passkeys, identities: linked } =
        sign_in_methods::list(&mut scope).await?;
    let passkeys = passkeys.into_iter().map(|passkey| PasskeyRow {
        added: When::day(passkey.created_at, &zone),
        used: passkey.used_at.map(|at| When::minute(at, &zone)),
        id: passkey.id,
        name: passkey.name,
    });
    let social_account = |provider: Provider| {
        let identity = linked.iter().find(|identity| identity.provider == provider.as_str());
        (identity.is_some() || signed.context().social.is_configured(provider)).then(|| SocialAccount {
            provider: provider.as_str(),
            title: provider.label(),
            icon: if provider == Provider::GitHub { "git-branch" } else { "globe" },
            label: identity.map_or_else(String::new, |identity| identity.label.clone()),
            since: identity.map(|identity| When::day(identity.linked_at, &zone)),
            used: identity.map(|identity| When::minute(identity.used_at, &zone)),
        })
    };
    let social_accounts = Provider::ALL.into_iter().filter_map(social_account).collect();
    let sso_account = |identity: &Identity| {
        Some(SsoAccount {
            organization: identity.organization.clone()?,
            enforced: identity.enforced,
            email: identity.label.clone(),
            since: When::day(identity.linked_at, &zone),
            used: When::minute(identity.used_at, &zone),
        })
    };
    let sso_accounts = linked.iter().filter_map(sso_account).collect();
    let accounts = switcher(&mut scope, me.user.id).await?;
    let security_page = SecurityPage {
        head: MeHead::of(&signed, &accounts, "security"),
        passkeys: passkeys.collect(),
        takes_passkeys: RelyingParty::new(&signed.context().config.base_url).is_some(),
        available,
        app: available.app_since.map(|at| When::day(at, &zone)),
        codes_total: CODES,
        social_accounts,
        sso_accounts,
        sessions,
    };
    page.show_with_accounts(&scope, &accounts, "Security", security_page)
}

async fn show_password(signed: SignedIn, page: Page) -> Result<Response> {
    show_password_form(&signed, &page, FormErrors::default()).await
}

async fn show_password_form(signed: &SignedIn, page: &Page, errors: FormErrors) -> Result<Response> {
    let reauth = signed.reauth_form().await?;
    let mut scope = signed.read();
    let available = factors::available(&mut scope, signed.user().id).await?;
    let password_page = PasswordPage {
        email: signed.user().email.clone(),
        is_set: available.password,
        has_another: available.passkeys > 0 || available.is_linked(),
        reauth,
        errors,
    };
    page.show(&mut scope, "Password", password_page).await
}

async fn change_password(
    signed: SignedIn,
    page: Page,
    Form(form): Form<ChangePasswordForm>,
) -> Result<Response> {
    match set_password(&signed, &form).await {
        Ok(()) => Ok(page.done("/me/security", "Your password is changed. Your other sessions have ended.")),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_password_form(&signed, &page.with(status), errors).await
        }
    }
}

async fn set_password(signed: &SignedIn, form: &ChangePasswordForm) -> Result<()> {
    let recent_auth = signed.reauthenticate(&form.reauth).await?;
    let user = &signed.user();
    let chosen = password::validate_and_hash(&form.new_password, &[&user.name, &user.email]).await?;
    let hashed = chosen.map_err(Error::at("new_password"))?;
    signed.change(async |change| me::change_password(change, &recent_auth, &hashed).await).await
}

async fn remove_password(signed: SignedIn, page: Page, Form(input): Form<ReauthInput>) -> Result<Response> {
    let result = match signed.reauthenticate(&input).await {
        Ok(recent_auth) => {
            signed.change(async |change| me::remove_password(change, &recent_auth).await).await
        }
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => Ok(page.done("/me/security", "Your password is removed. You sign in another way.")),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_password_form(&signed, &page.with(status), errors).await
        }
    }
}

async fn end(signed: SignedIn, page: Page, PathId(id): PathId<SessionId>) -> Result<Response> {
    signed.change(async |change| sessions::end(change, id).await).await?;
    Ok(page.done("/me/security", "The session has ended."))
}

async fn end_others(signed: SignedIn, page: Page) -> Result<Response> {
    let ended = signed.change(async |change| sessions::end_others(change).await).await?;
    let message = match ended {
        0 => "There was no other session.".to_owned(),
        1 => "1 other session has ended.".to_owned(),
        many => format!("{many} other sessions have ended."),
    };
    Ok(page.done("/me/security", message))
}
