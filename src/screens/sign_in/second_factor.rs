//! The second factor: after a password, or for a session with one factor where an organization requires two.
use crate::{
    crypto::passkey::RelyingParty,
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::{Anyone, SignedIn},
        passkeys,
        reauth::WRONG_CODE,
        routes::Routes,
        sign_in::{self, PendingSecondFactor, VerifiedUser},
    },
    model::{actor::UserSummary, id::UserId},
    store::{
        self,
        factors::{self, AvailableFactors},
        users,
    },
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::{http::HeaderMap, response::Response};
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/sign-in/second", show)
        .post("/sign-in/second", answer)
        .post("/sign-in/second/challenge", challenge)
}

/// Wrong codes in 15 minutes. A browser with which the user signed in before is counted by itself, so that nobody else can lock
/// it out.
const PER_USER_AND_ADDRESS: u32 = 10;
const PER_USER: u32 = 30;

fn throttle_keys(user: UserId, ip: &str, is_known: bool) -> Vec<(String, u32)> {
    if is_known {
        return vec![(format!("second factor of {user} with a known browser"), PER_USER_AND_ADDRESS)];
    }
    vec![
        (format!("second factor of {user} from {ip}"), PER_USER_AND_ADDRESS),
        (format!("second factor of {user}"), PER_USER),
    ]
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SecondFactorForm {
    code: String,
    credential: String,
    with: String,
    next: String,
}

/// Who is asked for the second factor.
enum Candidate {
    /// Passed the first factor and is not signed in yet.
    Pending(PendingSecondFactor),
    /// Signed in with one factor, where an organization requires two.
    SignedIn(SignedIn),
}

impl Candidate {
    async fn of(anyone: &Anyone) -> Result<Option<Candidate>> {
        // A sign-in under way comes before an older session.
        if let Some(pending) = sign_in::pending_second_factor(anyone).await? {
            return Ok(Some(Candidate::Pending(pending)));
        }
        Ok(anyone.signed_in().map(Candidate::SignedIn))
    }
    fn user(&self) -> UserId {
        match self {
            Candidate::Pending(pending) => pending.user,
            Candidate::SignedIn(signed_in) => signed_in.user().id,
        }
    }
    fn next<'a>(&'a self, typed: &'a str) -> &'a str {
        match self {
            Candidate::Pending(pending) => &pending.next,
            Candidate::SignedIn(_) => typed,
        }
    }
}

#[derive(Template)]
#[template(path = "sign_in/second_factor.html")]
struct SecondFactorPage {
    email: String,
    next: String,
    is_signed_in: bool,
    by_recovery: bool,
    factors: AvailableFactors,
    takes_passkeys: bool,
    errors: FormErrors,
}

async fn show(anyone: Anyone, page: Page, Query(query): Query<SecondFactorForm>) -> Result<Response> {
    let Some(candidate) = Candidate::of(&anyone).await? else { return Ok(page.to("/sign-in")) };
    let is_done = matches!(&candidate, Candidate::SignedIn(signed_in) if signed_in.signed_in_user().session.two_factors);
    if is_done {
        return Ok(page.to(sign_in::safe_next(&query.next).unwrap_or("/")));
    }
    draw(&anyone, &page, &candidate, &query, FormErrors::default()).await
}

async fn draw(
    anyone: &Anyone,
    page: &Page,
    candidate: &Candidate,
    form: &SecondFactorForm,
    errors: FormErrors,
) -> Result<Response> {
    let (person, factors) = user_and_factors(anyone, candidate.user()).await?;
    if matches!(candidate, Candidate::Pending(_)) && !factors.has_second() {
        // The second factor was removed meanwhile, so the password alone is enough.
        return Ok(page.to("/sign-in"));
    }
    let body = SecondFactorPage {
        email: person.email,
        next: candidate.next(&form.next).to_owned(),
        is_signed_in: matches!(candidate, Candidate::SignedIn(_)),
        by_recovery: form.with == "recovery" || !factors.has_app(),
        takes_passkeys: factors.passkeys > 0
            && RelyingParty::new(&anyone.context().config.base_url).is_some(),
        factors,
        errors,
    };
    page.plain("Second factor", body)
}

async fn user_and_factors(anyone: &Anyone, user: UserId) -> Result<(UserSummary, AvailableFactors)> {
    let mut scope = anyone.read();
    let found = users::get(&mut scope, user).await?.ok_or(Error::Unauthenticated)?;
    let factors = factors::available(&mut scope, user).await?;
    Ok((UserSummary { id: found.id, name: found.name, email: found.email }, factors))
}

async fn challenge(anyone: Anyone) -> Result<Response> {
    let candidate = Candidate::of(&anyone).await?.ok_or(Error::Unauthenticated)?;
    let ids = store::passkeys::credential_ids(&mut anyone.read(), candidate.user()).await?;
    passkeys::start_authentication(anyone.context(), anyone.session(), &ids).await
}

async fn answer(
    anyone: Anyone,
    page: Page,
    headers: HeaderMap,
    Form(form): Form<SecondFactorForm>,
) -> Result<Response> {
    let Some(candidate) = Candidate::of(&anyone).await? else {
        return Ok(page.failed("/sign-in", "That took too long. Sign in again."));
    };
    let is_known = sign_in::is_known_browser(&anyone, &headers, candidate.user());
    if let Err(error) = check(&anyone, &candidate, &form, is_known).await {
        let (status, errors) = FormErrors::catch(error)?;
        return draw(&anyone, &page.with(status), &candidate, &form, errors).await;
    }
    let next = candidate.next(&form.next);
    match &candidate {
        Candidate::Pending(pending) => {
            let arrival =
                VerifiedUser { user: pending.user, method: &pending.method, two_factors: true, next };
            sign_in::sign_in(&anyone, &page, &headers, &arrival).await
        }
        Candidate::SignedIn(signed) => {
            sign_in::upgrade_to_two_factors(signed).await?;
            Ok(page.to(sign_in::safe_next(next).unwrap_or("/")))
        }
    }
}

async fn check(
    anyone: &Anyone,
    candidate: &Candidate,
    form: &SecondFactorForm,
    is_known: bool,
) -> Result<()> {
    let user = candidate.user();
    if form.code.trim().is_empty() && form.credential.is_empty() {
        return Err(Error::invalid("code", "required", "Enter a code."));
    }
    let attempt = anyone.app().throttle().attempt(&throttle_keys(user, &anyone.client().ip(), is_known))?;
    if form.credential.is_empty() {
        let (person, _) = user_and_factors(anyone, user).await?;
        let is_valid =
            anyone.change(async |change| factors::take_code(change, &person, &form.code).await).await?;
        if !is_valid {
            return Err(Error::invalid("code", "wrong", WRONG_CODE));
        }
    } else {
        let signing = passkeys::take_authentication(anyone.session(), anyone.context().now()).await?;
        let answer = &form.credential;
        anyone
            .change(async |change| passkeys::finish_authentication(change, signing, answer, Some(user)).await)
            .await?;
    }
    attempt.forgive();
    Ok(())
}
